import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from attractor.base.clock import ManualClock
from attractor.base.errors import UsageError
from tests.tables import table

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_manual_clock_stands_until_turned_and_returns_utc() -> None:
    clock = ManualClock(NOON.astimezone(timezone(timedelta(hours=2))))
    assert (clock.now(), clock.now().tzinfo, clock.monotonic()) == (NOON, UTC, 0.0)
    asyncio.run(clock.turn(timedelta(minutes=90)))
    assert (clock.now(), clock.monotonic()) == (NOON + timedelta(minutes=90), 5400.0)
    with pytest.raises(UsageError, match="time zone"):
        ManualClock(datetime(2026, 1, 1))


async def test_turn_wakes_sleepers_in_order_of_their_due_times() -> None:
    clock = ManualClock(NOON)
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: int) -> None:
        await clock.sleep(seconds * SECOND)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("late", 5), ("early", 1), ("last", 9), ("too", 1)):
            tasks.create_task(sleep(name, seconds))
        await clock.until_asleep(4)
        await clock.turn(5 * SECOND)
        assert woken == [("early", 1.0), ("too", 1.0), ("late", 5.0)]
        assert clock.sleepers == 1
        await clock.turn(4 * SECOND)
    assert (woken[-1], clock.sleepers) == (("last", 9.0), 0)


@table("naps_at_once", [1, 2])
async def test_repeated_sleeps_wake_within_one_turn(naps_at_once: int) -> None:
    clock = ManualClock(NOON)
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await asyncio.gather(*(clock.sleep(SECOND) for _ in range(naps_at_once)))
            ticks.append(clock.monotonic())

    ticking = asyncio.create_task(tick())
    await clock.until_asleep(naps_at_once)
    await clock.turn(timedelta(seconds=3.5))
    ticking.cancel()
    assert ticks == [1.0, 2.0, 3.0]
    assert clock.monotonic() == 3.5


async def test_cancelled_sleeper_does_not_stop_a_turn() -> None:
    clock = ManualClock(NOON)
    sleeping = [asyncio.create_task(clock.sleep(SECOND)) for _ in range(3)]
    await clock.until_asleep(3)
    sleeping[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping[0]
    assert clock.sleepers == 2
    # This one is cancelled, but still asleep when the turn begins.
    sleeping[1].cancel()
    await clock.turn(SECOND)
    ended = await asyncio.gather(*sleeping[1:], return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    assert ended[1] is None


def test_date_can_be_set_back_but_monotonic_time_cannot() -> None:
    clock = ManualClock(NOON)
    asyncio.run(clock.turn(SECOND))
    clock.set_back(timedelta(hours=1))
    assert clock.now() == NOON + SECOND - timedelta(hours=1)
    assert clock.monotonic() == 1.0
    with pytest.raises(UsageError, match="backwards"):
        asyncio.run(clock.turn(-SECOND))
