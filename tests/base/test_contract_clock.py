"""The contract of all clocks: the system clock and the manual clock."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, timedelta
from typing import Any, TypeVar

from attractor.base.clock import Clock, ManualClock, SystemClock
from tests.patience import PATIENCE_S
from tests.tables import table

T = TypeVar("T")
SHORT = timedelta(milliseconds=20)
Scene = Callable[[Clock], Coroutine[Any, Any, T]]
Play = Callable[[Scene[Any]], Awaitable[Any]]


async def keep_turning(clock: ManualClock) -> None:
    """Advance in leaps, so that several sleepers are due in one turn."""
    while True:
        for _ in range(5):
            await asyncio.sleep(0)
        await clock.turn(SHORT * 4)


async def with_system_clock(scene: Scene[T]) -> T:
    return await scene(SystemClock())


async def with_manual_clock(scene: Scene[T]) -> T:
    clock = ManualClock()
    turning = asyncio.create_task(keep_turning(clock))
    try:
        return await scene(clock)
    finally:
        turning.cancel()


clocks = table("play", [with_system_clock, with_manual_clock], ids=["system", "manual"])


def run(play: Play, scene: Scene[T]) -> T:
    async def within_limit() -> T:
        return await asyncio.wait_for(play(scene), PATIENCE_S)

    return asyncio.run(within_limit())


@clocks
def test_sleep_lasts_as_long_as_requested_by_both_times(play: Play) -> None:
    async def scene(clock: Clock) -> tuple[float, timedelta]:
        began, date = clock.monotonic(), clock.now()
        assert date.tzinfo is UTC
        await clock.sleep(SHORT)
        return clock.monotonic() - began, clock.now() - date

    measured, by_date = run(play, scene)
    # A timer of the kernel may fire a little early, because it uses another clock.
    assert measured >= SHORT.total_seconds() * 0.9
    assert by_date >= SHORT * 0.9


@clocks
@table("duration", [timedelta(), timedelta(hours=-1)], ids=["zero", "negative"])
def test_empty_sleep_lets_other_tasks_run(play: Play, duration: timedelta) -> None:
    async def scene(clock: Clock) -> list[str]:
        ran: list[str] = []

        async def other() -> None:
            ran.append("other")

        task = asyncio.create_task(other())
        await clock.sleep(duration)
        ran.append("sleeper")
        await task
        return ran

    assert run(play, scene) == ["other", "sleeper"]
