from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from attractor.base.clock import TurnableClock
from attractor.base.errors import UsageError
from attractor.twins.services.clocks import ServiceClock, WrittenClock, written_time

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


@pytest.mark.parametrize("table", [{"start": datetime(2026, 1, 1)}, {"real": True, "step": "1s"}])
def test_what_makes_no_sense_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="time zone|no step"):
        clock(**table)
