"""The first answer counts, from the journal, another terminal, or the interviewer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from attractor.base.clock import ManualClock
from attractor.engine.interviews import AnsweredFirst, UnrecordedQuestions
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    Option,
    Question,
    QuestionKind,
    ask_each,
)
from attractor.engine.seams import Parked
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

YES, NO = Option("Y", "Yes"), Option("N", "No")
QUESTION = Question("gate@1.1", "Go?", QuestionKind.MULTIPLE_CHOICE, (YES, NO), "gate")
LEFT = Answer(AnswerKind.GIVEN, "N", "ann")


def given(value: str, by: str = "ada") -> Answer:
    option = next(one for one in QUESTION.options if one.key == value)
    return Answer(AnswerKind.GIVEN, value, by, option, value)


@dataclass
class Board(UnrecordedQuestions):
    """A shared store of questions and answers, in memory."""

    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    asked: list[Question] = field(default_factory=list[Question])
    deadline: str = ""

    def named(self, question: Question) -> Question:
        return replace(question, id=f"child/{question.id}")

    def answer_to(self, question: Question) -> Answer | None:
        return self.answers.get(question.id)

    def ask(self, question: Question) -> Question:
        self.answers.pop(question.id, None)
        asked = replace(question, deadline=self.deadline)
        self.asked.append(asked)
        return asked

    def settle(self, question: Question, answer: Answer) -> Answer:
        return self.answers.setdefault(question.id, answer)


@dataclass
class Person:
    """Gives its answers in order, then waits without end; records questions and messages."""

    says: list[str] = field(default_factory=list[str])
    notices: list[str] = field(default_factory=list[str])
    asked: list[str] = field(default_factory=list[str])
    overheard: list[Answer] = field(default_factory=list[Answer])
    is_left: bool = False

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question.id)
        try:
            if not self.says:
                await asyncio.Event().wait()
        finally:
            self.is_left = not self.says
        return Answer(AnswerKind.GIVEN, self.says.pop(0), "ada")

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        self.notices.append(message)

    def note_answer(self, question: Question, answer: Answer) -> None:
        self.overheard.append(answer)


def ask(interviewer: AnsweredFirst, *questions: Question) -> list[Answer]:
    async def one_by_one() -> list[Answer]:
        return [await interviewer.ask(one) for one in questions]

    return asyncio.run(asyncio.wait_for(one_by_one(), PATIENCE_S))


def test_answer_in_the_journal_is_returned_once() -> None:
    person, board = Person(["Y"]), Board({QUESTION.id: LEFT})
    answers = ask(AnsweredFirst(person, board), QUESTION, QUESTION)
    assert answers == [replace(LEFT, selected_option=NO, text="N"), given("Y")]
    # A repeated question means that the first answer matched no choice: ask the person.
    assert board.answers[QUESTION.id].value == "Y"
    assert person.overheard == answers[:1]


def test_several_questions_are_asked_in_order() -> None:
    asked = AnsweredFirst(Person(["y", "N"]), Board()).ask_multiple([QUESTION, QUESTION])
    assert [one.value for one in asyncio.run(asked)] == ["Y", "N"]


async def test_answer_from_elsewhere_ends_asking() -> None:
    person, board = Person(), Board()
    asking = asyncio.create_task(AnsweredFirst(person, board).ask(QUESTION))
    while not person.asked:
        await asyncio.sleep(0)
    board.answers[QUESTION.id] = LEFT
    answer = await asyncio.wait_for(asking, PATIENCE_S)
    assert (answer.value, answer.by) == ("N", "ann")
    assert person.is_left
    assert person.notices == ["ann answered: N"]
    assert person.overheard == [answer]


def test_first_of_two_answers_counts_and_other_is_reported() -> None:
    board = Board()

    class Slow(Person):
        async def ask(self, question: Question) -> Answer:
            board.answers[QUESTION.id] = LEFT
            return Answer(AnswerKind.GIVEN, "Y", "ada", YES, "yes")

    person = Slow()
    [answer] = ask(AnsweredFirst(person, board), QUESTION)
    assert (answer.value, answer.by) == ("N", "ann")
    assert person.notices == ["ann answered: N; 'yes' was too late and is ignored"]


async def test_answer_at_cancellation_is_recorded() -> None:
    board, is_asked = Board(), asyncio.Event()

    class Late(Person):
        async def ask(self, question: Question) -> Answer:
            is_asked.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return Answer(AnswerKind.GIVEN, "Y", "ada")
            raise AssertionError

    asking = asyncio.create_task(AnsweredFirst(Late(), board).ask(QUESTION))
    await is_asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert board.answers[QUESTION.id].value == "Y"


def test_question_past_deadline_is_not_asked() -> None:
    person, clock = Person(["Y"]), ManualClock()
    board = Board(deadline=(clock.now() - timedelta(seconds=1)).isoformat())
    [answer] = ask(AnsweredFirst(person, board, clock=clock), replace(QUESTION, default="N"))
    assert answer == Answer(AnswerKind.TIMEOUT, "N")
    assert person.asked == []


def test_parked_question_keeps_id_and_deadline_of_its_run() -> None:
    class Parking(Person):
        async def ask(self, question: Question) -> Answer:
            raise Parked(question)

    board = Board(deadline="2099-01-01T00:00:00+00:00")
    with pytest.raises(Parked) as parked:
        ask(AnsweredFirst(Parking(), board), QUESTION)
    assert parked.value.question == replace(QUESTION, deadline=board.deadline)
    assert board.answers == {}


@pytest.mark.parametrize("error", [LookupError("chat"), TimeoutError("chat")])
def test_errors_of_interviewer_are_raised(error: Exception) -> None:
    class Broken(Person):
        async def ask(self, question: Question) -> Answer:
            raise error

    with pytest.raises(type(error), match="chat"):
        ask(AnsweredFirst(Broken(), Board()), replace(QUESTION, timeout_seconds=60))


def test_canceled_interviewer_is_not_a_timeout() -> None:
    class Giving(Person):
        async def ask(self, question: Question) -> Answer:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        ask(AnsweredFirst(Giving(), Board()), QUESTION)
