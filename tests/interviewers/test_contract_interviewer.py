"""Contract of Interviewer: every interviewer, and the fakes of other tests."""

import asyncio
import inspect
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.base.registry import find_shortcoming
from attractor.engine.interviews import AnsweredFirst, UnrecordedQuestions
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    Interviewer,
    Option,
    Question,
    QuestionKind,
)
from attractor.engine.seams import Parked, Stopped
from attractor.interviewers.custom import adapt_interviewer
from attractor.interviewers.registry import interviewer_registry
from tests.handlers.stages import Person
from tests.interviewers.questions import Terminal, given, question
from tests.patience import PATIENCE_S
from tests.tables import table

REGISTERED = list(interviewer_registry())
MANY = 8
ANSWERS = Path(__file__).with_name("__init__.py")
"""An empty recording."""


def built(name: str, terminal: Terminal | None = None) -> Interviewer:
    """Build an interviewer with answers to many questions, and with a terminal that types `y`."""
    terminal = terminal or Terminal(StringIO("y\n" * MANY))
    parts = terminal.parts(
        answers=[given("Y")] * MANY,
        callback=lambda asked: given("Y"),
        inner=Person(["Y"] * MANY),
        file=ANSWERS if name == "replay" else None,
    )
    return interviewer_registry()[name](parts)


async def later(asked: Question) -> Answer:
    await asyncio.sleep(0)
    return given("Y")


class Asking:
    """Has only `ask`, which is not async."""

    def ask(self, question: Question) -> Answer:
        return given("Y")


class OneAnswer(UnrecordedQuestions):
    """Has an answer to one question only."""

    def answer_to(self, question: Question) -> Answer | None:
        return given("Y", "Ada") if question.id == "gate@1.1" else None


MAKE: dict[str, Callable[[], Interviewer]] = {
    **{name: (lambda name=name: built(name)) for name in REGISTERED},
    "callback, async": lambda: interviewer_registry()["callback"](Terminal().parts(callback=later)),
    "handed in": lambda: adapt_interviewer(Asking()),
    "answered first": lambda: AnsweredFirst(built("park"), OneAnswer()),
    "nothing left": lambda: AnsweredFirst(built("console")),
    "stand-in": lambda: Person(["Y"] * MANY),
}
QUESTIONS = [
    *(question(kind, Option("Y", "Yes"), Option("N", "No")) for kind in QuestionKind),
    *(question(kind) for kind in QuestionKind),
    question(QuestionKind.MULTIPLE_CHOICE, Option("ß", "🐍\x1b[31m"), Option("", "")),
    question(QuestionKind.MULTIPLE_CHOICE, *(Option(str(i), "x" * 1000) for i in range(1000))),
    Question("größe@1.1", "", QuestionKind.FREEFORM, (), "", deadline="2026-01-01T00:00:00+00:00"),
    Question("gate@2.1", "🐍\n" * 10_000, QuestionKind.YES_NO, (), "größe"),
]
Met = Answer | Question | Stopped
everybody = pytest.mark.parametrize("name", list(MAKE))


async def meet(interviewer: Interviewer, asked: Question) -> Met:
    """Return the answer, the parked question, or the error that stopped the run."""
    try:
        return await asyncio.wait_for(interviewer.ask(asked), PATIENCE_S)
    except Parked as parked:
        return parked.question
    except Stopped as stopped:
        return stopped


def ask(interviewer: Interviewer, *questions: Question) -> list[Met]:
    async def one_by_one() -> list[Met]:
        return [await meet(interviewer, asked) for asked in questions]

    return asyncio.run(one_by_one())


def is_met(asked: Question, met: Met) -> bool:
    if isinstance(met, Stopped):
        return isinstance(met.__cause__, Refused)
    if isinstance(met, Question):
        return met is asked
    return met.kind is not AnswerKind.GIVEN or bool(met.value)


@everybody
def test_part_is_an_interviewer(name: str) -> None:
    assert find_shortcoming(MAKE[name](), Interviewer) == ""
    assert inspect.iscoroutinefunction(MAKE[name]().ask)
    assert inspect.iscoroutinefunction(MAKE[name]().ask_multiple)
    assert inspect.iscoroutinefunction(MAKE[name]().inform)


@everybody
@table("asked", QUESTIONS)
def test_every_question_is_answered_or_parked_unchanged(name: str, asked: Question) -> None:
    before = repr(asked)
    [met] = ask(MAKE[name](), asked)
    assert is_met(asked, met)
    assert repr(asked) == before


@everybody
def test_interviewer_answers_repeated_questions(name: str) -> None:
    asked = [question(QuestionKind.YES_NO, Option("Y", "Yes")) for _ in range(3)]
    met = ask(MAKE[name](), *asked)
    assert all(is_met(*both) for both in zip(asked, met, strict=True))


@everybody
def test_questions_at_the_same_time_are_each_met(name: str) -> None:
    async def at_once() -> list[Met]:
        interviewer = MAKE[name]()
        return list(await asyncio.gather(*(meet(interviewer, one) for one in asked)))

    asked = [
        Question(f"gate@{n}.1", "Go?", QuestionKind.YES_NO, (Option("Y", "Yes"),), "gate")
        for n in range(1, 5)
    ]
    assert all(is_met(*both) for both in zip(asked, asyncio.run(at_once()), strict=True))


@everybody
@table("message", ["", "größe 🐍\n\x1b[0m", "x" * 100_000])
def test_message_needs_no_answer(name: str, message: str) -> None:
    interviewer = MAKE[name]()
    assert asyncio.run(asyncio.wait_for(interviewer.inform(message, "gate"), PATIENCE_S)) is None
    asked = question(QuestionKind.YES_NO, Option("Y", "Yes"))
    [met] = ask(interviewer, asked)
    assert is_met(asked, met)


@table("name", [one for one in REGISTERED if one not in ("recording", "replay")])
def test_interviewers_from_same_parts_share_no_answers(name: str) -> None:
    parts = Terminal(StringIO("y\ny\n")).parts(answers=[given("Y")], callback=lambda _: given("Y"))
    kind = interviewer_registry()[name]
    asked = question(QuestionKind.YES_NO, Option("Y", "Yes"))
    [first], [second] = ask(kind(parts), asked), ask(kind(parts), asked)
    assert first == second


async def forever(asked: Question) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


@table(
    "interviewer",
    [
        interviewer_registry()["callback"](Terminal().parts(callback=forever)),
        AnsweredFirst(
            interviewer_registry()["callback"](Terminal().parts(callback=forever)), OneAnswer()
        ),
        Person(),
    ],
    ids=["callback", "answered first", "stand-in"],
)
def test_silent_interviewer_can_be_canceled(interviewer: Interviewer) -> None:
    async def give_up() -> None:
        asking = asyncio.create_task(
            interviewer.ask(Question("slow@1.1", "Go?", QuestionKind.YES_NO, (), "slow"))
        )
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await interviewer.inform("Never mind", "slow")

    asyncio.run(asyncio.wait_for(give_up(), PATIENCE_S))
