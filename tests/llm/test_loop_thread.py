import asyncio
import threading
from contextvars import ContextVar

import pytest

from attractor.llm.loop_thread import LoopThread

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
