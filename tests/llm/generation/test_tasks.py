import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio
import pytest

from attractor.llm.generation.tasks import Handover, Producer, capture, capture_call
from tests.patience import PATIENCE_S
from tests.tables import table

pytestmark = pytest.mark.anyio


def fail(error: BaseException) -> None:
    raise error


async def fail_later(error: BaseException) -> None:
    raise error


async def three() -> int:
    return 3


@table("error", [ValueError("no"), SystemExit(2), KeyboardInterrupt()])
async def test_captured_error_is_raised_on_access(error: BaseException) -> None:
    endings = [await capture(fail_later(error)), capture_call(lambda: fail(error))]
    assert [one.exception() for one in endings] == [error, error]


@table("error", [StopIteration(), StopAsyncIteration()])
def test_captured_stop_iteration_is_an_error(error: Exception) -> None:
    with pytest.raises(RuntimeError, match=f"{type(error).__name__} was raised") as caught:
        capture_call(lambda: fail(error)).result()
    assert caught.value.__cause__ is error
    with pytest.raises(RuntimeError, match=type(error).__name__):
        asyncio.run(capture(fail_later(error))).result()


async def test_cancellation_is_not_captured() -> None:
    task = asyncio.create_task(capture(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def giving(*, fails: bool = False) -> tuple[Producer[int, str], list[str]]:
    """Yield 1 and 2; record the actions in between."""
    handover: Handover[int] = Handover()
    done: list[str] = []

    async def work() -> str:
        try:
            for number in (1, 2):
                done.append(f"make {number}")
                await handover.put(number)
            if fails:
                raise ValueError("three")
            return "whole"
        finally:
            done.append("end")

    return Producer(work, handover), done


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, PATIENCE_S))


@table("has_begun", [True, False])
async def test_close_waits_for_cleanup(has_begun: bool) -> None:
    given, done = giving()
    if has_begun:
        assert await given.get() == 1
    await given.close()
    await given.close()
    assert done == (["make 1", "end"] if has_begun else [])
    assert (await given.get(), given.outcome()) == (None, None)


@table("is_awaited", [True, False])
async def test_cleanup_completes_when_iteration_stops(is_awaited: bool) -> None:
    closed: list[str] = []
    handover: Handover[int] = Handover()

    async def give() -> None:
        handover.put_nowait(1)
        # As inside httpx.
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0.01)
            closed.append("one")
            await asyncio.sleep(0.01)
            closed.append("another")
        await handover.put(2)

    given = Producer(give, handover)
    assert await given.get() == 1
    if is_awaited:
        await given.close()
    else:
        given.abandon()
        while await given.get() is not None:
            pass
    assert (closed, given.outcome()) == (["one", "another"], None)


def test_abandoned_producer_ends_without_its_loop() -> None:
    made = [giving()]

    async def work() -> None:
        given, done = giving()
        assert await given.get() == 1
        given.abandon()
        while done[-1] != "end":
            await asyncio.sleep(0)
        await made[0][0].get()

    run(work())
    given, done = made[0]
    given.abandon()
    assert done == ["make 1", "end"]
