import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from attractor.base.clock import TurnableClock
from attractor.base.errors import UsageError
from attractor.twins.services.clocks import END, ServiceClock, WrittenClock, written_time

MACHINE = datetime(2030, 5, 5, tzinfo=UTC)


def clock(**table: Any) -> ServiceClock:
    return ServiceClock(WrittenClock.model_validate(table), TurnableClock(MACHINE))


def test_it_stands_still_until_it_is_turned() -> None:
    one = clock(start=datetime(2026, 3, 1, tzinfo=UTC))
    one.step()
    assert written_time(one.now) == "2026-03-01T00:00:00Z"
    one.advance(timedelta(hours=1))
    one.set(datetime(2026, 3, 2, tzinfo=UTC))
    assert (written_time(one.now), one.elapsed) == ("2026-03-02T00:00:00Z", timedelta(days=1))


def test_it_goes_on_with_each_request() -> None:
    one = clock(step="250ms")
    one.step()
    assert written_time(one.now) == "2026-01-01T00:00:00.250000Z"


def test_a_real_one_is_the_machines() -> None:
    one = clock(real=True)
    one.advance(timedelta(seconds=1))
    assert one.now == MACHINE + timedelta(seconds=1)


def test_it_does_not_go_backwards() -> None:
    with pytest.raises(UsageError, match="does not go backwards"):
        clock().set(datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="time zone"):
        clock().set(datetime(2027, 1, 1))


def test_it_ends_with_the_last_time_that_can_be_written() -> None:
    one = clock(start=datetime(9999, 12, 31, 23, tzinfo=UTC), step="40m")
    with pytest.raises(UsageError, match="no time is later than 9999-12-31T23:59:59"):
        one.advance(timedelta(hours=1))
    with pytest.raises(UsageError, match="no time is later"):
        one.set(datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))))
    one.step()
    assert one.is_at_its_end
    one.step()
    assert written_time(one.now) == "9999-12-31T23:40:00Z"


def test_a_real_one_stands_still_at_the_end() -> None:
    one = ServiceClock(WrittenClock(real=True), machine := TurnableClock(MACHINE))
    one.set(END)
    asyncio.run(machine.turn(timedelta(seconds=5)))
    assert one.now == END


@pytest.mark.parametrize(
    "table",
    [
        {"start": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))},
        {"start": datetime(9999, 12, 31, 23, tzinfo=UTC), "step": "2h"},
    ],
)
def test_a_start_too_early_or_too_late_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="in UTC|leads behind 9999"):
        clock(**table)


@pytest.mark.parametrize("table", [{"start": datetime(2026, 1, 1)}, {"real": True, "step": "1s"}])
def test_what_makes_no_sense_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="time zone|no step"):
        clock(**table)
