import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from attractor.base.clock import Clock, SystemClock, TurnableClock
from attractor.base.errors import UsageError

SECOND = timedelta(seconds=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_the_system_clock_tells_utc_and_never_measures_backwards():
    clock: Clock = SystemClock()
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_the_system_clock_waits():
    clock = SystemClock()
    started = clock.monotonic()
    asyncio.run(clock.sleep(timedelta(milliseconds=20)))
    assert clock.monotonic() - started >= 0.015


def test_a_turnable_clock_stands_until_it_is_turned():
    clock = TurnableClock(NOON)
    same: Clock = clock
    assert (same.now(), same.monotonic()) == (NOON, 0.0)
    asyncio.run(clock.turn(timedelta(minutes=90)))
    assert (same.now(), same.monotonic()) == (NOON + timedelta(minutes=90), 5400.0)


def test_a_turnable_clock_tells_utc():
    start = NOON.astimezone(timezone(timedelta(hours=2)))
    assert TurnableClock(start).now().tzinfo is UTC
    with pytest.raises(UsageError, match="time zone"):
        TurnableClock(datetime(2026, 1, 1))


def test_sleepers_wake_in_the_order_they_are_due():
    clock = TurnableClock(NOON)
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: int) -> None:
        await clock.sleep(seconds * SECOND)
        woken.append((name, clock.monotonic()))

    async def scene() -> None:
        async with asyncio.TaskGroup() as tasks:
            for name, seconds in (("late", 5), ("early", 1), ("never too early", 9), ("too", 1)):
                tasks.create_task(sleep(name, seconds))
            await clock.until_asleep(4)
            await clock.turn(5 * SECOND)
            assert woken == [("early", 1.0), ("too", 1.0), ("late", 5.0)]
            assert clock.sleepers == 1
            await clock.turn(4 * SECOND)

    asyncio.run(scene())
    assert woken[-1] == ("never too early", 9.0)
    assert clock.sleepers == 0


def test_who_sleeps_again_within_one_turn_wakes_again():
    clock = TurnableClock(NOON)
    ticks: list[float] = []

    async def tick() -> None:
        for _ in range(10):
            await clock.sleep(SECOND)
            ticks.append(clock.monotonic())

    async def scene() -> None:
        ticking = asyncio.create_task(tick())
        await clock.until_asleep()
        await clock.turn(timedelta(seconds=3.5))
        assert ticks == [1.0, 2.0, 3.0]
        assert clock.monotonic() == 3.5
        await clock.turn(timedelta(hours=1))
        await ticking

    asyncio.run(scene())
    assert len(ticks) == 10


def test_a_cancelled_sleeper_leaves():
    clock = TurnableClock(NOON)

    async def scene() -> None:
        sleeping = asyncio.create_task(clock.sleep(SECOND))
        await clock.until_asleep()
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert clock.sleepers == 0
        await clock.turn(SECOND)

    asyncio.run(scene())


def test_a_sleeper_cancelled_at_the_moment_it_is_due_does_not_stop_the_turn():
    clock = TurnableClock(NOON)

    async def scene() -> None:
        sleeping = [asyncio.create_task(clock.sleep(SECOND)) for _ in range(2)]
        await clock.until_asleep(2)
        sleeping[0].cancel()
        await clock.turn(SECOND)
        ended = await asyncio.gather(*sleeping, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError)
        assert ended[1] is None

    asyncio.run(scene())


def test_a_sleep_of_nothing_only_lets_others_run():
    clock = TurnableClock(NOON)

    async def scene() -> None:
        ran: list[str] = []
        other = asyncio.create_task(asyncio.sleep(0, ran.append("created")))
        await clock.sleep(timedelta())
        await clock.sleep(-SECOND)
        assert clock.sleepers == 0
        await other

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_the_date_can_go_back_but_measured_time_does_not():
    clock = TurnableClock(NOON)
    asyncio.run(clock.turn(SECOND))
    clock.set_back(timedelta(hours=1))
    assert clock.now() == NOON + SECOND - timedelta(hours=1)
    assert clock.monotonic() == 1.0
    with pytest.raises(UsageError, match="backwards"):
        asyncio.run(clock.turn(-SECOND))


def test_who_sleeps_again_and_again_by_way_of_others_is_woken_each_time_in_one_turn() -> None:
    async def nap(clock: TurnableClock) -> None:
        await asyncio.gather(clock.sleep(timedelta(seconds=1)), clock.sleep(timedelta(seconds=1)))

    async def work() -> int:
        clock, naps = TurnableClock(), 0

        async def sleeper() -> None:
            nonlocal naps
            while True:
                await nap(clock)
                naps += 1

        task = asyncio.create_task(sleeper())
        await clock.until_asleep(2)
        await clock.turn(timedelta(seconds=5))
        task.cancel()
        return naps

    assert asyncio.run(work()) == 5
