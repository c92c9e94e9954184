"""What every clock does alike: the machine's, and the one that is turned by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, timedelta
from typing import Any, TypeVar

import pytest

from attractor.base.clock import Clock, ManualClock, SystemClock

T = TypeVar("T")
SHORT = timedelta(milliseconds=20)
Scene = Callable[[Clock], Coroutine[Any, Any, T]]


async def keep_turning(clock: ManualClock) -> None:
    """Let time go by in leaps: several sleepers are due in one."""
    while True:
        for _ in range(5):
            await asyncio.sleep(0)
        await clock.turn(SHORT * 4)


async def with_system_clock(scene: Scene[T]) -> T:
    return await scene(SystemClock())


async def with_turnable_clock(scene: Scene[T]) -> T:
    clock = ManualClock()
    turning = asyncio.create_task(keep_turning(clock))
    try:
        return await scene(clock)
    finally:
        turning.cancel()


Play = Callable[[Scene[Any]], Awaitable[Any]]
clocks = pytest.mark.parametrize(
    "play", [with_system_clock, with_turnable_clock], ids=["system", "turnable"]
)


def run(play: Play, scene: Scene[T]) -> T:
    async def in_time() -> T:
        return await asyncio.wait_for(play(scene), 20)

    return asyncio.run(in_time())


@clocks
def test_the_date_is_told_in_utc(play: Play) -> None:
    async def scene(clock: Clock) -> None:
        assert clock.now().tzinfo is UTC
        assert clock.now().utcoffset() == timedelta()

    run(play, scene)


@clocks
def test_what_is_measured_never_goes_back_and_goes_on_by_itself(play: Play) -> None:
    async def scene(clock: Clock) -> list[float]:
        told = [clock.monotonic()]
        for _ in range(3):
            await clock.sleep(SHORT / 10)
            told.append(clock.monotonic())
        return told

    told = run(play, scene)
    assert told == sorted(told)
    assert told[-1] > told[0]


@clocks
def test_a_sleep_lasts_at_least_as_long_as_it_was_asked_to(play: Play) -> None:
    async def scene(clock: Clock) -> tuple[float, timedelta]:
        began, date = clock.monotonic(), clock.now()
        await clock.sleep(SHORT)
        return clock.monotonic() - began, clock.now() - date

    measured, by_date = run(play, scene)
    # A kernel's timer may be a little early by another of its clocks.
    assert measured >= SHORT.total_seconds() * 0.9
    assert by_date >= SHORT * 0.9


@clocks
def test_who_is_due_first_wakes_first(play: Play) -> None:
    async def scene(clock: Clock) -> list[int]:
        woken: list[int] = []

        async def sleep(turns: int) -> None:
            await clock.sleep(SHORT * turns)
            woken.append(turns)

        await asyncio.gather(*(sleep(turns) for turns in (3, 1, 2)))
        return woken

    assert run(play, scene) == [1, 2, 3]


@clocks
@pytest.mark.parametrize("duration", [timedelta(), timedelta(hours=-1)], ids=["none", "past"])
def test_a_sleep_of_nothing_only_lets_others_run(play: Play, duration: timedelta) -> None:
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


@clocks
def test_a_sleep_can_be_cancelled_and_others_sleep_on(play: Play) -> None:
    async def scene(clock: Clock) -> str:
        long = asyncio.create_task(clock.sleep(timedelta(days=1)))
        short = asyncio.create_task(clock.sleep(SHORT))
        await asyncio.sleep(0)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        await short
        return "woken"

    assert run(play, scene) == "woken"


@clocks
def test_a_time_limit_ends_a_sleep(play: Play) -> None:
    async def scene(clock: Clock) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(clock.sleep(timedelta(days=1)), 0.01)
        await clock.sleep(timedelta())

    # The time limit is the machine's, whichever clock sleeps: a turned clock is not turned so far.
    run(play, scene)
