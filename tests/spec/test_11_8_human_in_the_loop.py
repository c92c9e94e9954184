"""attractor-spec 11.8: interviewers, and the questions they ask."""

import asyncio
from dataclasses import replace
from io import StringIO
from pathlib import Path

from attractor.engine.interviews import AnsweredFirst
from attractor.engine.questions.question import Answer, AnswerKind, Option, Question, QuestionKind
from attractor.interviewers.registry import interviewer_registry
from tests.interviewers.questions import GATE, Terminal, given, question
from tests.tables import table


def test_11_8_an_interviewer_is_asked_a_question_and_gives_an_answer() -> None:
    queue = interviewer_registry()["queue"](Terminal().parts(answers=[given("Y")]))
    answer = asyncio.run(queue.ask(GATE))
    assert (answer.kind, answer.value) == (AnswerKind.GIVEN, "Y")


def test_11_8_several_questions_are_asked_and_each_gets_its_answer() -> None:
    queue = interviewer_registry()["queue"](Terminal().parts(answers=[given("Y"), given("N")]))
    answers = asyncio.run(queue.ask_multiple([GATE, GATE]))
    assert [one.value for one in answers] == ["Y", "N"]


def test_11_8_inform_shows_a_message_without_a_question() -> None:
    terminal = Terminal()
    asyncio.run(interviewer_registry()["console"](terminal.parts()).inform("Done", "ship"))
    assert terminal.output.getvalue() == "[ship] Done\n"


def test_11_8_questions_and_answers_have_the_specified_fields() -> None:
    asked = Question(
        id="gate@1.1",
        text="Deploy?",
        kind=QuestionKind.MULTIPLE_CHOICE,
        options=(Option("Y", "Yes"),),
        stage="gate",
        default="Y",
        timeout_seconds=1.5,
        metadata={"color": "red"},
    )
    console = interviewer_registry()["console"](Terminal(StringIO("yes\n")).parts())
    answer = asyncio.run(console.ask(asked))
    assert (answer.value, answer.selected_option, answer.text) == ("Y", asked.options[0], "yes")


def test_11_8_a_time_out_brings_the_default_of_the_question() -> None:
    async def never(asked: Question) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    callback = interviewer_registry()["callback"](Terminal().parts(callback=never))
    asked = replace(GATE, timeout_seconds=0.02, default="N")
    answer = asyncio.run(AnsweredFirst(callback).ask(asked))
    assert answer == Answer(AnswerKind.TIMEOUT, "N")


def test_11_8_a_question_has_one_of_four_types() -> None:
    # An approval is a kind of Attractor's own.
    assert {kind.name for kind in QuestionKind} - {"APPROVAL"} == {
        "YES_NO",
        "MULTIPLE_CHOICE",
        "FREEFORM",
        "CONFIRMATION",
    }


@table(
    ("kind", "typed", "value"),
    [
        (QuestionKind.YES_NO, "y", "yes"),
        (QuestionKind.MULTIPLE_CHOICE, "N", "N"),
        (QuestionKind.FREEFORM, "make it blue", "make it blue"),
        (QuestionKind.CONFIRMATION, "n", "no"),
    ],
)
def test_11_8_the_console_asks_and_reads(kind: QuestionKind, typed: str, value: str) -> None:
    terminal = Terminal(StringIO(f"{typed}\n"))
    console = interviewer_registry()["console"](terminal.parts())
    asked = question(kind, Option("Y", "Yes"), Option("N", "No"))
    assert asyncio.run(console.ask(asked)).value == value
    assert terminal.output.getvalue().startswith("[?] Deploy?\n  [Y] Yes\n  [N] No\n")


def test_11_8_auto_approve_selects_the_first_option() -> None:
    approving = interviewer_registry()["auto_approve"](Terminal().parts())
    assert asyncio.run(approving.ask(GATE)).value == GATE.options[0].key


def test_11_8_the_callback_answers() -> None:
    parts = Terminal().parts(callback=lambda asked: given(asked.text))
    assert asyncio.run(interviewer_registry()["callback"](parts).ask(GATE)).value == "Deploy?"


def test_11_8_the_queue_is_read_in_order_and_then_skips() -> None:
    queue = interviewer_registry()["queue"](Terminal().parts(answers=[given("N"), given("Y")]))
    answers = [asyncio.run(queue.ask(GATE)) for _ in range(3)]
    assert [one.value for one in answers] == ["N", "Y", ""]
    assert answers[-1].kind is AnswerKind.SKIPPED


def test_11_8_a_recording_wraps_another_interviewer_and_can_be_replayed(tmp_path: Path) -> None:
    file, registry = tmp_path / "answers.jsonl", interviewer_registry()
    inner = registry["queue"](Terminal().parts(answers=[given("N")]))
    recording = registry["recording"](Terminal().parts(inner=inner, file=file))
    assert asyncio.run(recording.ask(GATE)).value == "N"
    replay = registry["replay"](Terminal().parts(file=file))
    assert asyncio.run(replay.ask(GATE)) == given("N", "replay of queue", "answers file")
