import asyncio
import json
import os
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from attractor.base.errors import FileError, UsageError
from attractor.engine.questions.question import Answer, AnswerKind
from attractor.engine.seams import Parked, Stopped
from attractor.engine.storage.secrets import Redactor
from attractor.interviewers.recording import Recording
from attractor.interviewers.transcript import RecordedAnswer, read_recording
from tests.handlers.stages import Person
from tests.interviewers.questions import GATE, Terminal, given
from tests.patience import PATIENCE_S
from tests.tables import table


def recording(file: Path | None, *says: str | Answer) -> Recording:
    return Recording(Terminal().parts(inner=Person(says), file=file))


def ask(interviewer: Recording, times: int = 1) -> list[Answer]:
    async def one_by_one() -> list[Answer]:
        return [await interviewer.ask(GATE) for _ in range(times)]

    return asyncio.run(one_by_one())


def test_every_answer_is_written_and_remembered(tmp_path: Path) -> None:
    file, late = tmp_path / "answers.jsonl", Answer(AnswerKind.TIMEOUT, "N")
    asked = recording(file, "Y", late)
    pairs = [RecordedAnswer(GATE, one) for one in ask(asked, 2)]
    assert [one.answer for one in pairs] == [given("Y", "Ada"), late]
    assert list(read_recording(file)) == asked.recordings == pairs


def test_answers_of_others_are_recorded(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    recording(file).note_answer(GATE, given("N", "ann"))
    assert list(read_recording(file)) == [RecordedAnswer(GATE, given("N", "ann"))]


def test_recording_of_earlier_process_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    ask(recording(file, "Y"))
    # Its writer was killed in the middle of a line.
    with file.open("a") as torn:
        torn.write('{"answer":{"by"')
    ask(recording(file, "Y"))
    ask(recording(file, "N"))
    assert [one.answer.value for one in read_recording(file)] == ["Y", "N"]
    assert len(file.read_text().splitlines()) == 2


@table("text", ["Dear Ann,", "Dear Ann,\n", "{}\n", '{"question": 1}\n'])
def test_invalid_recording_is_not_overwritten(tmp_path: Path, text: str) -> None:
    file = tmp_path / "letter.txt"
    file.write_text(text)
    with pytest.raises(UsageError, match="is not a recording"):
        recording(file, "Y")
    assert file.read_text() == text


@table(
    ("name", "why"), [("nowhere/answers.jsonl", "its folder is missing"), (".", "Is a directory")]
)
def test_unusable_file_is_refused_before_the_first_question(
    tmp_path: Path, name: str, why: str
) -> None:
    with pytest.raises(FileError, match=why):
        recording(tmp_path / name, "Y")


def test_write_error_stops_run_without_failed_stage(tmp_path: Path) -> None:
    asked = recording(tmp_path / "answers.jsonl", "Y")
    (tmp_path / "answers.jsonl").mkdir()
    with pytest.raises(Stopped) as stopped:
        ask(asked)
    assert isinstance(stopped.value.__cause__, FileError)


def test_no_secret_gets_into_the_file(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    parts = replace(Terminal().parts(inner=Person(["hunter2hunter2"]), file=file))
    ask(Recording(replace(parts, redactor=Redactor(["hunter2hunter2"]))))
    assert "hunter2" not in file.read_text()
    assert json.loads(file.read_text())["question"]["id"] == GATE.id


def test_a_question_that_waits_has_no_answer_to_record(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    # Without a terminal, no question is asked.
    with pytest.raises(Parked):
        ask(Recording(Terminal(StringIO("y\n")).parts(file=file)))
    assert not file.exists()


def test_at_a_terminal_the_console_asks(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r") as reading:
        asked = Recording(Terminal(reading).parts(file=tmp_path / "a.jsonl"))

        async def talk() -> Answer:
            asking = asyncio.create_task(asked.ask(GATE))
            await asyncio.sleep(0.05)
            os.write(ours, b"n\n")
            return await asyncio.wait_for(asking, PATIENCE_S)

        answer = asyncio.run(talk())
    os.close(ours)
    assert (answer.value, answer.by) == ("N", "console")
    assert [one.answer for one in asked.recordings] == [answer]


def test_messages_are_passed_on() -> None:
    person = Person()
    asyncio.run(Recording(Terminal().parts(inner=person)).inform("hello", "gate"))
    assert person.notices == ["hello"]
