import asyncio

from attractor.engine.answers import AnsweredFirst
from attractor.engine.seams import Answer, AnswerKind, Question, QuestionKind

QUESTION = Question("gate@1.1", "Go?", QuestionKind.YES_NO, (), "gate")


class Person:
    """Answers everything, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def ask(self, question: Question) -> Answer:
        return Answer(AnswerKind.GIVEN, "asked")

    async def inform(self, message: str, stage: str) -> None:
        self.told.append(message)


def ask_twice(left: dict[str, Answer]) -> list[str]:
    interviewer = AnsweredFirst(Person(), lambda question: left.get(question.id))

    async def ask() -> list[str]:
        return [(await interviewer.ask(QUESTION)).value for _ in range(2)]

    return asyncio.run(ask())


def test_an_answer_that_was_left_is_given_once() -> None:
    assert ask_twice({QUESTION.id: Answer(AnswerKind.GIVEN, "left")}) == ["left", "asked"]


def test_without_an_answer_somebody_is_asked() -> None:
    assert ask_twice({"other": Answer(AnswerKind.GIVEN, "left")}) == ["asked", "asked"]


def test_messages_are_passed_on() -> None:
    person = Person()
    asyncio.run(AnsweredFirst(person, lambda _: None).inform("hello", "gate"))
    assert person.told == ["hello"]
