"""A function is called whether it is async or not."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from attractor.base.callables import call, require_no_loop
from attractor.base.errors import UsageError


def plain(one: int, two: int) -> tuple[int, int]:
    return one + two, threading.get_ident()


async def waiting(one: int, two: int) -> tuple[int, int]:
    await asyncio.sleep(0)
    return plain(one, two)


def late(one: int, two: int) -> Awaitable[tuple[int, int]]:
    return waiting(one, two)


@pytest.mark.parametrize(("called", "is_here"), [(plain, False), (waiting, True), (late, True)])
def test_a_plain_function_gets_a_thread_and_an_async_one_does_not(
    called: Callable[..., object], is_here: bool
) -> None:
    result = asyncio.run(call(called, 1, 2))
    assert isinstance(result, tuple)
    assert result == (3, threading.get_ident()) if is_here else result[0] == 3
    assert (result[1] == threading.get_ident()) is is_here


def broken() -> None:
    raise ZeroDivisionError


def test_what_is_raised_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(call(broken))


def test_where_no_loop_runs_one_may_wait() -> None:
    require_no_loop("ask")


def test_within_a_loop_the_other_function_is_named() -> None:
    async def ask() -> None:
        require_no_loop("ask")

    with pytest.raises(UsageError, match="ask_sync would block") as caught:
        asyncio.run(ask())
    assert caught.value.hint == "write await ask(...)"


def test_what_is_written_instead_may_be_another_word() -> None:
    async def hear() -> None:
        require_no_loop("hear", instead="async for ... in")

    with pytest.raises(UsageError) as caught:
        asyncio.run(hear())
    assert caught.value.hint == "write async for ... in hear(...)"
