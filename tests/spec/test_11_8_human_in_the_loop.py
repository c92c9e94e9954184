"""attractor-spec 11.8: interviewers, and the questions they ask."""

import asyncio
from io import StringIO

import pytest

from attractor.engine.seams import AnswerKind, Option, QuestionKind
from attractor.interviewers.registry import interviewer_registry
from tests.interviewers.questions import GATE, Terminal, given, question


def test_11_8_an_interviewer_is_asked_a_question_and_gives_an_answer() -> None:
    queue = interviewer_registry()["queue"](Terminal().parts(answers=[given("Y")]))
    answer = asyncio.run(queue.ask(GATE))
    assert (answer.kind, answer.value) == (AnswerKind.GIVEN, "Y")


def test_11_8_a_question_has_one_of_four_types() -> None:
    assert {kind.name for kind in QuestionKind} == {
        "YES_NO",
        "MULTIPLE_CHOICE",
        "FREEFORM",
        "CONFIRMATION",
    }


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        (QuestionKind.YES_NO, "y", "yes"),
        (QuestionKind.MULTIPLE_CHOICE, "N", "N"),
        (QuestionKind.FREEFORM, "make it blue", "make it blue"),
        (QuestionKind.CONFIRMATION, "n", "no"),
    ],
)
def test_11_8_the_console_prompts_and_reads_what_a_person_types(
    kind: QuestionKind, typed: str, value: str
) -> None:
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
