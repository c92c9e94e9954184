""""""

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from attractor import llm
from attractor.base.errors import UsageError
from attractor.llm import Client, generate, generate_object_sync, generate_sync, set_default_client
from attractor.llm.generation.sync import LoopThread
from tests.llm.asking import speaking
from tests.llm.generated import PERSON

SCRIPT = """rules = [{ answer.text = '{"name": "Alice", "age": 30}' }]"""


def test_one_client_answers_again_and_again_without_an_event_loop() -> None:
    with speaking(SCRIPT) as twin:
        client = Client.from_env(twin.environ())
        texts = [generate_sync("gpt-5.2", "hi", provider="openai", client=client).text]
        result = generate_object_sync(
            "gpt-5.2", "hi", schema=PERSON, provider="openai", client=client
        )
        texts.append(asyncio.run(closing(client)))
        assert texts == [result.text] * 2
    assert result.output == {"name": "Alice", "age": 30}


async def closing(client: Client) -> str:
    async with client:
        return (await generate("gpt-5.2", "hi", provider="openai", client=client)).text


def test_the_default_client_does_too() -> None:
    with speaking(SCRIPT) as twin:
        set_default_client(Client.from_env(twin.environ()))
        try:
            texts = [generate_sync("gpt-5.2", "hi", provider="openai").text for _ in range(2)]
        finally:
            set_default_client(None)
    assert texts[0] == texts[1] == '{"name": "Alice", "age": 30}'


@pytest.mark.parametrize("name", ["generate", "generate_object", "stream", "stream_object"])
def test_within_an_event_loop_it_refuses_and_names_the_other_function(name: str) -> None:
    is_object, is_stream = name.endswith("object"), name.startswith("stream")

    async def asking() -> None:
        options: Any = {"schema": PERSON} if is_object else {}
        getattr(llm, f"{name}_sync")("gpt-5.2", "hi", **options)

    with pytest.raises(UsageError, match=f"{name}_sync would block") as caught:
        asyncio.run(asking())
    instead = "async for ... in" if is_stream else "await"
    assert caught.value.hint == f"write {instead} {name}(...)"


WORD: ContextVar[str] = ContextVar("WORD")


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "waiting"]


async def word() -> str:
    return WORD.get()


async def fail() -> None:
    raise ValueError("no")


def test_work_is_done_in_one_loop_until_it_ends_with_what_is_last() -> None:
    done: list[object] = []

    async def last() -> None:
        done.append(asyncio.get_running_loop())

    async def note() -> None:
        done.append(asyncio.get_running_loop())

    thread = LoopThread("waiting", last)
    thread.wait_for(note())
    with pytest.raises(ValueError, match="no"):
        thread.wait_for(fail())
    thread.wait_for(note())
    assert threads() == ["waiting"]
    thread.end()
    thread.join()
    assert (len(done), len(set(done)), threads()) == (3, 1, [])
    thread.end()


def test_the_context_of_the_caller_is_there() -> None:
    token = WORD.set("here")
    thread = LoopThread("waiting", nothing)
    try:
        assert thread.wait_for(word()) == "here"
    finally:
        WORD.reset(token)
        thread.end()
        thread.join()


async def nothing() -> None:
    pass


def test_time_goes_on_while_nobody_waits() -> None:
    is_up = threading.Event()

    async def begin() -> None:
        asyncio.get_running_loop().call_later(0.01, is_up.set)

    thread = LoopThread("waiting", nothing)
    thread.wait_for(begin())
    assert is_up.wait(5)
    thread.end()
    thread.join()


async def leave(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_would_end_the_loop_is_raised_to_who_waits_and_the_loop_goes_on(
    error: BaseException,
) -> None:
    thread = LoopThread("waiting", nothing)
    with pytest.raises(type(error)) as caught:
        thread.wait_for(leave(error))
    assert caught.value is error
    thread.wait_for(nothing())
    thread.end()
    thread.join()


def test_nobody_waits_for_a_loop_that_something_ended() -> None:
    done: list[str] = []

    async def last() -> None:
        done.append("last")

    async def waiting() -> None:
        ending = asyncio.create_task(leave(SystemExit(3)))
        try:
            await asyncio.sleep(60)
        finally:
            done.append("cleaned up")
            ending.cancel()

    thread = LoopThread("waiting", last)
    for _ in range(2):
        with pytest.raises(SystemExit, match="3"):
            thread.wait_for(waiting())
    thread.end()
    thread.join()
    assert (done, threads()) == (["cleaned up"], [])


def test_nobody_waits_for_a_loop_that_has_ended() -> None:
    thread = LoopThread("waiting", nothing)
    thread.end()
    thread.join()
    with pytest.raises(RuntimeError, match="has ended"):
        thread.wait_for(nothing())
