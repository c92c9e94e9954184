""""""

import asyncio
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.clock import Backoff, Clock, ManualClock, SystemClock
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
    clock = ManualClock(NOON)
    same: Clock = clock
    assert (same.now(), same.monotonic()) == (NOON, 0.0)
    asyncio.run(clock.turn(timedelta(minutes=90)))
    assert (same.now(), same.monotonic()) == (NOON + timedelta(minutes=90), 5400.0)


def test_a_turnable_clock_tells_utc():
    start = NOON.astimezone(timezone(timedelta(hours=2)))
    assert ManualClock(start).now().tzinfo is UTC
    with pytest.raises(UsageError, match="time zone"):
        ManualClock(datetime(2026, 1, 1))


def test_sleepers_wake_in_the_order_they_are_due():
    clock = ManualClock(NOON)
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
    clock = ManualClock(NOON)
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
    clock = ManualClock(NOON)

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
    clock = ManualClock(NOON)

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
    clock = ManualClock(NOON)

    async def scene() -> None:
        ran: list[str] = []
        other = asyncio.create_task(asyncio.sleep(0, ran.append("created")))
        await clock.sleep(timedelta())
        await clock.sleep(-SECOND)
        assert clock.sleepers == 0
        await other

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_the_date_can_go_back_but_measured_time_does_not():
    clock = ManualClock(NOON)
    asyncio.run(clock.turn(SECOND))
    clock.set_back(timedelta(hours=1))
    assert clock.now() == NOON + SECOND - timedelta(hours=1)
    assert clock.monotonic() == 1.0
    with pytest.raises(UsageError, match="backwards"):
        asyncio.run(clock.turn(-SECOND))


def test_who_sleeps_again_and_again_by_way_of_others_is_woken_each_time_in_one_turn() -> None:
    async def nap(clock: ManualClock) -> None:
        await asyncio.gather(clock.sleep(timedelta(seconds=1)), clock.sleep(timedelta(seconds=1)))

    async def work() -> int:
        clock, naps = ManualClock(), 0

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


waits = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=36_500))


def milliseconds(number: float) -> timedelta:
    return timedelta(milliseconds=number)


def test_without_jitter_waits_double_up_to_the_maximum():
    plain = Backoff(jitter=False)
    assert [plain.delay(attempt) for attempt in (1, 2, 3, 9)] == [
        milliseconds(200),
        milliseconds(400),
        milliseconds(800),
        milliseconds(51_200),
    ]
    assert plain.delay(10) == plain.delay(10_000) == timedelta(seconds=60)


def test_a_factor_of_one_waits_the_same_each_time():
    constant = Backoff(initial=milliseconds(500), factor=1, jitter=False)
    assert {constant.delay(attempt) for attempt in (1, 2, 10_000)} == {milliseconds(500)}


def test_a_wait_of_nothing_stays_nothing():
    assert Backoff(initial=timedelta()).delay(10_000, seed="run") == timedelta()


def test_jitter_is_the_same_on_every_machine():
    spread = Backoff()
    assert [spread.delay(attempt, seed="run/node") for attempt in (1, 2, 3)] == [
        timedelta(microseconds=number) for number in (275_884, 562_822, 923_989)
    ]


def test_jitter_depends_on_seed_and_attempt():
    constant = Backoff(factor=1)
    assert len({constant.delay(attempt, seed="run") for attempt in range(1, 101)}) > 90
    assert len({constant.delay(1, seed=f"run {number}") for number in range(100)}) > 90
    assert constant.delay(1, seed="1:run") != constant.delay(11, seed=":run")


def test_jitter_spreads_over_half_to_one_and_a_half():
    shares = [Backoff(factor=1).delay(attempt) / milliseconds(200) for attempt in range(1, 2001)]
    assert min(shares) < 0.51
    assert max(shares) > 1.49
    assert abs(sum(shares) / len(shares) - 1) < 0.03


@given(waits, waits, st.floats(1, 1e300), st.integers(1, 10_000), st.text())
def test_every_wait_lies_within_its_bounds(
    one: timedelta, other: timedelta, factor: float, attempt: int, seed: str
):
    spread = Backoff(initial=min(one, other), factor=factor, maximum=max(one, other))
    plain = Backoff(spread.initial, spread.factor, spread.maximum, jitter=False)
    base = plain.delay(attempt)
    microsecond = timedelta(microseconds=1)
    assert spread.initial <= base <= spread.maximum
    assert base / 2 - microsecond <= spread.delay(attempt, seed=seed) <= base * 1.5 + microsecond
    assert spread.delay(attempt, seed=seed) == spread.delay(attempt, seed=seed)
    assert base <= plain.delay(attempt + 1)


@pytest.mark.parametrize("factor", [0.5, 0, -2, float("nan"), float("inf")])
def test_a_factor_that_does_not_grow_is_refused(factor: float):
    with pytest.raises(UsageError, match="factor"):
        Backoff(factor=factor)


@pytest.mark.parametrize(
    ("initial", "maximum"),
    [
        (timedelta(seconds=-1), timedelta(seconds=1)),
        (timedelta(seconds=2), timedelta(seconds=1)),
        (timedelta(seconds=2), timedelta.max),
    ],
)
def test_bounds_that_are_none_are_refused(initial: timedelta, maximum: timedelta):
    with pytest.raises(UsageError, match="invalid backoff"):
        Backoff(initial=initial, maximum=maximum)


def test_attempts_are_counted_from_one():
    with pytest.raises(UsageError, match="invalid attempt number 0"):
        Backoff().delay(0)


def test_a_backoff_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Backoff().factor = 3.0  # pyright: ignore[reportAttributeAccessIssue]
