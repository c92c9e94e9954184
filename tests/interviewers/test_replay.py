import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given as example, settings, strategies as st

from attractor.base.errors import ExitCode, FileError, Refused, UsageError
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    EnclosingBranch,
    Option,
    Question,
    QuestionKind,
)
from attractor.engine.seams import Stopped
from attractor.interviewers.recording import Recording
from attractor.interviewers.replay import Replay
from tests.handlers.stages import Person
from tests.interviewers.questions import GATE, Terminal, given
from tests.tables import table


def record(file: Path, *pairs: tuple[Question, Answer]) -> Replay:
    recording = Recording(Terminal().parts(inner=Person(), file=file))
    for question, answer in pairs:
        recording.note_answer(question, answer)
    return Replay(Terminal().parts(file=file))


def ask(interviewer: Replay, question: Question) -> Answer:
    return asyncio.run(interviewer.ask(question))


def test_of_several_answers_the_last_one_counted(tmp_path: Path) -> None:
    replay = record(tmp_path / "a", (GATE, given("perhaps")), (GATE, given("N")))
    assert ask(replay, GATE).value == "N"


@table("kind", [AnswerKind.TIMEOUT, AnswerKind.SKIPPED])
def test_a_time_out_and_a_skip_are_given_again(tmp_path: Path, kind: AnswerKind) -> None:
    assert ask(record(tmp_path / "a", (GATE, Answer(kind))), GATE).kind is kind


@table(
    ("asked", "why"),
    [
        (
            replace(GATE, id="gate@2.1"),
            "no answer to gate@2.1: the question is not in the recording",
        ),
        (
            replace(GATE, text="Sure?"),
            "its text was 'Deploy?' in the recording, and is now 'Sure?'",
        ),
        (replace(GATE, kind=QuestionKind.FREEFORM), "its kind was 'multiple_choice'"),
        (replace(GATE, options=(Option("Y", "Yes"),)), "its choices was 'Y ([Y] Yes, deploy), N"),
    ],
)
def test_unrecorded_question_stops_run(tmp_path: Path, asked: Question, why: str) -> None:
    with pytest.raises(Stopped) as stopped:
        ask(record(tmp_path / "a", (GATE, given("Y"))), asked)
    refused = stopped.value.__cause__
    assert isinstance(refused, Refused)
    assert why in str(refused)
    assert refused.exit_code is ExitCode.REFUSED


@table("change", [{"deadline": "2026-01-01T00:00:00+00:00"}, {"default": "N"}])
def test_deadline_and_default_of_a_question_do_not_matter(
    tmp_path: Path, change: dict[str, str]
) -> None:
    replay = record(tmp_path / "a", (GATE, given("Y")))
    assert ask(replay, replace(GATE, **change)).value == "Y"


def test_an_answer_for_one_item_is_not_given_for_another(tmp_path: Path) -> None:
    def about(item: str) -> Question:
        return replace(GATE, within=(EnclosingBranch("each@1.1/1", "1", "each", item, 1, 1),))

    replay = record(tmp_path / "a", (about("alpha"), given("Y", "ann")))
    assert ask(replay, about("alpha")).value == "Y"
    with pytest.raises(Stopped, match="its item was"):
        ask(replay, about("beta"))
    older = record(tmp_path / "b", (GATE, given("Y", "ann")))
    assert ask(older, about("beta")).value == "Y"


def test_a_recording_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no recording"):
        Replay(Terminal().parts())
    with pytest.raises(FileError, match="nowhere"):
        Replay(Terminal().parts(file=tmp_path / "nowhere"))
    (tmp_path / "letter").write_text("Dear Ann,\n")
    with pytest.raises(UsageError, match="is not a recording of answers: "):
        Replay(Terminal().parts(file=tmp_path / "letter"))


@settings(deadline=None, max_examples=30)
@example(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_replayed(
    tmp_path_factory: pytest.TempPathFactory, text: str, said: str
) -> None:
    asked = Question("q@1.1", text, QuestionKind.FREEFORM, (), "q")
    file = tmp_path_factory.mktemp("replay") / "a"
    answer = Answer(AnswerKind.GIVEN, said, "ann", text=said)
    assert ask(record(file, (asked, answer)), asked) == replace(
        answer, by="replay of ann", proof="answers file"
    )
