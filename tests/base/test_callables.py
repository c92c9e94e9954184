import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from attractor.base.callables import call, require_no_loop
from attractor.base.errors import UsageError
from tests.tables import table


def plain(one: int, two: int) -> tuple[int, int]:
    return one + two, threading.get_ident()


async def waiting(one: int, two: int) -> tuple[int, int]:
    await asyncio.sleep(0)
    return plain(one, two)


def late(one: int, two: int) -> Awaitable[tuple[int, int]]:
    return waiting(one, two)


@table(("function", "is_here"), [(plain, False), (waiting, True), (late, True)])
def test_synchronous_function_runs_in_a_thread(
    function: Callable[..., object], is_here: bool
) -> None:
    result = asyncio.run(call(function, 1, 2))
    assert isinstance(result, tuple)
    assert (result[0], result[1] == threading.get_ident()) == (3, is_here)
    with pytest.raises(TypeError):
        asyncio.run(call(function, 1))


@table("instead", ["await", "async for ... in"])
def test_synchronous_function_is_refused_inside_an_event_loop(instead: str) -> None:
    require_no_loop("ask")

    async def ask() -> None:
        require_no_loop("ask", instead=instead)

    with pytest.raises(UsageError, match="ask_sync would block") as caught:
        asyncio.run(ask())
    assert caught.value.hint == f"write {instead} ask(...)"
