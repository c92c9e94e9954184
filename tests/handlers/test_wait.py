import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from attractor.base.clock import ManualClock
from attractor.base.errors import UsageError
from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.handlers.wait import read_moment
from attractor.language.source.syntax_tree import Plain
from tests.handlers.stages import NOW, Play, graph, node
from tests.patience import PATIENCE_S
from tests.tables import table

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


Attributes = Mapping[str, Plain]


def play(clock: ManualClock, plain: Attributes, since: datetime = NOW) -> Play:
    return Play(graph(node("it", type="wait", **plain)), "it", clock=clock, since=since)


def waits(by: timedelta, plain: Attributes, since: datetime = NOW) -> Outcome:
    """Return the outcome of a wait of exactly this length, from now on."""

    async def scene() -> Outcome:
        clock = ManualClock(NOW)
        waiting = asyncio.create_task(play(clock, plain, since).execute())
        await clock.until_asleep()
        await clock.turn(by - timedelta(milliseconds=1))
        assert not waiting.done()
        await clock.turn(timedelta(milliseconds=1))
        return await asyncio.wait_for(waiting, PATIENCE_S)

    return asyncio.run(scene())


@table(
    ("plain", "by"),
    [
        ({"duration": timedelta(minutes=90)}, 1.5 * HOUR),
        ({"duration": "250ms"}, timedelta(milliseconds=250)),
        ({"until": "2026-01-02T00:00:00Z"}, 24 * HOUR),
        ({"until": "2026-01-01T03:00:00+01:00"}, 2 * HOUR),
        ({"until": "2026-01-01T02:30:00"}, 2.5 * HOUR),
        ({"until": "2026-01-03"}, 48 * HOUR),
        ({"until": "09:30"}, 9.5 * HOUR),
        ({"until": "23:00-05:00"}, 4 * HOUR),
    ],
)
def test_stage_waits_for_a_duration_or_until_a_time(plain: Attributes, by: timedelta) -> None:
    outcome = waits(by, plain)
    assert outcome.status is StageStatus.SUCCESS
    assert outcome.notes == f"Waited until {(NOW + by).isoformat(timespec='seconds')}"


def test_wait_before_crash_counts() -> None:
    outcomes = [
        waits(HOUR, {"duration": 3 * HOUR}, NOW - 2 * HOUR),
        waits(9.5 * HOUR, {"until": "09:30"}, NOW - HOUR),
    ]
    assert {one.status for one in outcomes} == {StageStatus.SUCCESS}


@table(
    "plain",
    [{"duration": HOUR}, {"duration": "0s"}, {"until": "2025-12-31T23:30Z"}, {"until": "23:30"}],
)
def test_moment_before_resume_needs_no_wait(plain: Attributes) -> None:
    it = play(ManualClock(NOW), plain, NOW - HOUR)
    assert it.run().status is StageStatus.SUCCESS
    assert it.events.all == []


async def test_wait_event_has_duration() -> None:
    clock = ManualClock(NOW)
    it = play(clock, {"duration": 3 * HOUR}, NOW - HOUR)
    waiting = asyncio.create_task(it.execute())
    await clock.until_asleep()
    assert it.events.all == [
        ("WaitStarted", {"until": "2026-01-01T02:00:00+00:00", "seconds": 7200.0})
    ]
    await clock.turn(2 * HOUR)
    await waiting


async def test_clock_set_back_does_not_extend_a_wait() -> None:
    clock = ManualClock(NOW)
    waiting = asyncio.create_task(play(clock, {"duration": HOUR}).execute())
    await clock.until_asleep()
    clock.set_back(24 * HOUR)
    await clock.turn(HOUR)
    assert (await asyncio.wait_for(waiting, PATIENCE_S)).status is StageStatus.SUCCESS


async def test_changed_clock_counts_for_until() -> None:
    clock = ManualClock(NOW)
    waiting = asyncio.create_task(play(clock, {"until": "01:00"}).execute())
    await clock.until_asleep()
    clock.set_back(-HOUR)
    await clock.turn(timedelta(minutes=1))
    assert (await asyncio.wait_for(waiting, PATIENCE_S)).status is StageStatus.SUCCESS


async def test_canceled_wait_ends_at_once() -> None:
    clock = ManualClock(NOW)
    waiting = asyncio.create_task(play(clock, {"duration": HOUR}).execute())
    await clock.until_asleep()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert clock.sleepers == 0


@table(
    ("plain", "message"),
    [
        ({}, "neither duration nor until"),
        ({"until": ""}, "neither duration nor until"),
        ({"duration": HOUR, "until": "09:30"}, "both duration and until"),
        ({"duration": "soon"}, "soon"),
        ({"duration": "99999999999d"}, "too large"),
        ({"until": "tomorrow"}, "invalid time until='tomorrow'"),
        ({"until": "25:00"}, "write 2026-01-31T09:30:00Z, or the time of day: 09:30"),
        ({"until": "2026-02-30T09:30"}, "invalid time"),
        ({"until": "0001-01-01T00:00+02:00"}, "invalid time"),
    ],
)
def test_wrong_values_are_a_fault_of_the_pipeline(plain: Attributes, message: str) -> None:
    outcome = play(ManualClock(NOW), plain).run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.PIPELINE)
    assert outcome.failure_reason.startswith("it: ")
    assert message in outcome.failure_reason


def test_a_time_of_day_is_the_next_one() -> None:
    evening = datetime(2026, 12, 31, 22, tzinfo=UTC)
    assert read_moment("22:00", evening) == evening + 24 * HOUR
    assert read_moment("22:00:01", evening) == evening + timedelta(seconds=1)
    assert read_moment("00:30+02:00", evening) == evening + timedelta(minutes=30)
    with pytest.raises(UsageError):
        read_moment("", evening)
