"""Every interviewer is of its kind and meets every question in a way the engine knows."""

import asyncio
import inspect
from io import StringIO

import pytest

from attractor.base.kinds import find_shortcoming
from attractor.engine.seams import (
    Answer,
    AnswerKind,
    Interviewer,
    Option,
    Parked,
    Question,
    QuestionKind,
)
from attractor.interviewers.registry import interviewer_registry
from tests.interviewers.questions import Terminal, given, question

NAMES = list(interviewer_registry())


def built(name: str, terminal: Terminal | None = None) -> Interviewer:
    terminal = terminal or Terminal(StringIO("y\n"))
    parts = terminal.parts(answers=[given("Y")], callback=lambda _: given("Y"))
    return interviewer_registry()[name](parts)


def test_the_interviewers_of_the_specification_are_there() -> None:
    assert {"auto_approve", "callback", "console", "park", "queue"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_interviewer_is_built_from_parts_and_says_what_it_is(name: str) -> None:
    assert find_shortcoming(built(name), Interviewer) == ""
    assert inspect.getdoc(interviewer_registry()[name])
    assert interviewer_registry().summary(name)


@pytest.mark.parametrize("kind", list(QuestionKind))
@pytest.mark.parametrize("name", NAMES)
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
