"""Interviewers of a program: only `ask` is required, and it need not be async."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from attractor.base.errors import UsageError
from attractor.engine.questions.question import Answer, AnswerKind, Option, Question, QuestionKind
from attractor.interviewers.custom import adapt_interviewer
from tests.tables import table

OPTIONS = [Option("Y", "Yes"), Option("N", "No")]
QUESTION = Question("ask@1.1", "Ship it?", QuestionKind.MULTIPLE_CHOICE, OPTIONS, "ask")


def given(value: str) -> Answer:
    return Answer(AnswerKind.GIVEN, value, by="a test")


class AskOnly:
    """Has only `ask`, which may take long."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def ask(self, question: Question) -> Answer:
        self.threads.append(threading.get_ident())
        return given(question.text)


class AllMethods:
    """Has all three methods as coroutines."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    async def ask(self, question: Question) -> Answer:
        return given(question.text)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return [given("together") for _ in questions]

    async def inform(self, message: str, stage: str) -> None:
        self.notices.append(f"{stage}: {message}")


def test_interviewer_with_ask_only_does_not_block() -> None:
    plain = AskOnly()
    adapted = adapt_interviewer(plain)

    async def use() -> None:
        assert await adapted.ask(QUESTION) == given("Ship it?")
        answers = await adapted.ask_multiple([QUESTION, QUESTION])
        assert list(answers) == [given("Ship it?")] * 2
        await adapted.inform("It ships", "ask")

    asyncio.run(use())
    assert len(plain.threads) == 3
    assert threading.get_ident() not in plain.threads


def test_complete_interviewer_gets_all_calls() -> None:
    whole = AllMethods()
    adapted = adapt_interviewer(whole)

    async def use() -> None:
        assert await adapted.ask(QUESTION) == given("Ship it?")
        assert list(await adapted.ask_multiple([QUESTION])) == [given("together")]
        await adapted.inform("It ships", "ask")

    asyncio.run(use())
    assert whole.notices == ["ask: It ships"]


def test_a_function_answers() -> None:
    def answer(question: Question) -> Answer:
        return given("Y")

    said = asyncio.run(adapt_interviewer(answer).ask(QUESTION))
    assert (said.kind, said.value) == (AnswerKind.GIVEN, "Y")


@table("wrong", [AskOnly, object(), 7])
def test_object_without_ask_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="the interviewer"):
        adapt_interviewer(wrong)
