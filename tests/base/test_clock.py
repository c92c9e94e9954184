import asyncio
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from attractor.base.clock import Backoff, ManualClock
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


delays = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=36_500))


def milliseconds(number: float) -> timedelta:
    return timedelta(milliseconds=number)


def test_delays_without_jitter_grow_by_the_factor_up_to_the_maximum() -> None:
    plain = Backoff(jitter=False)
    assert [plain.delay(attempt) for attempt in (1, 2, 3, 9)] == [
        milliseconds(200),
        milliseconds(400),
        milliseconds(800),
        milliseconds(51_200),
    ]
    assert plain.delay(10) == plain.delay(10_000) == timedelta(seconds=60)
    constant = Backoff(initial=milliseconds(500), factor=1, jitter=False)
    assert {constant.delay(attempt) for attempt in (1, 2, 10_000)} == {milliseconds(500)}
    assert Backoff(initial=timedelta()).delay(10_000, seed="run") == timedelta()


def test_jitter_depends_on_seed_and_attempt_alone() -> None:
    assert [Backoff().delay(attempt, seed="run/node") for attempt in (1, 2, 3)] == [
        timedelta(microseconds=number) for number in (275_884, 562_822, 923_989)
    ]
    constant = Backoff(factor=1)
    assert len({constant.delay(attempt, seed="run") for attempt in range(1, 101)}) > 90
    assert len({constant.delay(1, seed=f"run {number}") for number in range(100)}) > 90
    assert constant.delay(1, seed="1:run") != constant.delay(11, seed=":run")
    shares = [constant.delay(attempt) / milliseconds(200) for attempt in range(1, 2001)]
    assert min(shares) < 0.51
    assert max(shares) > 1.49
    assert abs(sum(shares) / len(shares) - 1) < 0.03


@given(delays, delays, st.floats(1, 1e300), st.integers(1, 10_000), st.text())
def test_every_delay_is_within_its_bounds(
    one: timedelta, other: timedelta, factor: float, attempt: int, seed: str
) -> None:
    spread = Backoff(initial=min(one, other), factor=factor, maximum=max(one, other))
    plain = Backoff(spread.initial, spread.factor, spread.maximum, jitter=False)
    base = plain.delay(attempt)
    microsecond = timedelta(microseconds=1)
    assert spread.initial <= base <= spread.maximum
    assert base / 2 - microsecond <= spread.delay(attempt, seed=seed) <= base * 1.5 + microsecond
    assert base <= plain.delay(attempt + 1)


def test_invalid_backoff_is_refused() -> None:
    for factor in (0.5, 0, -2, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="invalid backoff factor"):
            Backoff(factor=factor)
    for initial, maximum in ((-SECOND, SECOND), (2 * SECOND, SECOND), (SECOND, timedelta.max)):
        with pytest.raises(UsageError, match="invalid backoff from"):
            Backoff(initial=initial, maximum=maximum)
    with pytest.raises(UsageError, match="invalid attempt number 0"):
        Backoff().delay(0)
    with pytest.raises(FrozenInstanceError):
        Backoff().factor = 3.0  # pyright: ignore[reportAttributeAccessIssue]
