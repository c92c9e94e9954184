import asyncio

import pytest

from attractor.base.errors import UsageError
from attractor.engine.questions.question import Answer, Question
from attractor.interviewers.callback import Callback
from tests.interviewers.questions import GATE, Terminal, given


def test_an_async_function_answers() -> None:
    async def answer(asked: Question) -> Answer:
        await asyncio.sleep(0)
        return given(asked.id)

    assert asyncio.run(Callback(Terminal().parts(callback=answer)).ask(GATE)) == given("gate@1.1")


def test_errors_of_function_are_raised() -> None:
    def answer(asked: Question) -> Answer:
        raise LookupError(asked.id)

    with pytest.raises(LookupError, match=r"gate@1\.1"):
        asyncio.run(Callback(Terminal().parts(callback=answer)).ask(GATE))


def test_callback_without_a_function_is_an_error() -> None:
    with pytest.raises(UsageError, match="has no function") as caught:
        Callback(Terminal().parts())
    assert (
        caught.value.hint == "pass a function that takes a Question and returns an Answer or a text"
    )
