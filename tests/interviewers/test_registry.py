"""Every interviewer is of its kind and meets every question in a way the engine knows."""

import asyncio
import inspect
import os
from io import StringIO
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.base.registry import find_shortcoming
from attractor.engine.interfaces import Parked
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    Interviewer,
    Option,
    Question,
    QuestionKind,
)
from attractor.interviewers.registry import build_interviewer, interviewer_registry
from tests.handlers.stages import Person
from tests.interviewers.questions import Terminal, given, question

NAMES = list(interviewer_registry())


def built(name: str, terminal: Terminal | None = None) -> Interviewer:
    terminal = terminal or Terminal(StringIO("y\n"))
    parts = terminal.parts(
        answers=[given("Y")],
        callback=lambda _: given("Y"),
        inner=Person(["Y"]),
        file=Path(os.devnull) if name == "replay" else None,
    )
    return interviewer_registry()[name](parts)


def test_the_interviewers_of_the_specification_are_there() -> None:
    wanted = {"auto_approve", "callback", "console", "park", "queue", "recording", "replay"}
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_interviewer_is_built_from_parts_and_says_what_it_is(name: str) -> None:
    assert find_shortcoming(built(name), Interviewer) == ""
    assert inspect.getdoc(interviewer_registry()[name])
    assert interviewer_registry().summary(name)


@pytest.mark.parametrize("kind", list(QuestionKind))
@pytest.mark.parametrize("name", [one for one in NAMES if one != "replay"])
def test_an_interviewer_answers_or_parks_every_kind_of_question(
    name: str, kind: QuestionKind
) -> None:
    asked = question(kind, Option("Y", "Yes"), Option("N", "No"))
    met = asyncio.run(asyncio.wait_for(ask(built(name), asked), 20))
    assert met == asked or (isinstance(met, Answer) and met.kind is AnswerKind.GIVEN and met.value)


async def ask(interviewer: Interviewer, asked: Question) -> Answer | Question:
    """Return the answer, or the question that was parked."""
    try:
        return await interviewer.ask(asked)
    except Parked as parked:
        return parked.question


@pytest.mark.parametrize("name", NAMES)
def test_a_message_is_shown_where_a_person_looks_and_nowhere_else(name: str) -> None:
    terminal = Terminal(StringIO("y\n"))
    asyncio.run(built(name, terminal).inform("Nothing to do", "gate"))
    shown = "[gate] Nothing to do\n" if name == "console" else ""
    assert (terminal.output.getvalue(), terminal.input.read()) == (shown, "y\n")


def test_a_name_may_say_whom_another_one_has_ask_and_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    parts = Terminal().parts(answers=[given("Y")])
    interviewer = build_interviewer(f"recording:queue:{file}", parts)
    asked = question(QuestionKind.YES_NO)
    assert asyncio.run(interviewer.ask(asked)) == given("Y", "queue")
    again = build_interviewer(f"replay:{file}", parts)
    assert asyncio.run(again.ask(asked)) == given("Y", "replay of queue")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("console:park", "takes nothing else"),
        ("recording:nobody", "unknown interviewer 'nobody'"),
        ("nobody:console", "takes nothing else|unknown"),
        ("recording:replay:a.jsonl", "was given no recording"),
    ],
)
def test_a_name_that_chooses_nobody_is_refused(name: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        build_interviewer(name, Terminal().parts())
