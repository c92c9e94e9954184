import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from attractor.base.clock import ManualClock
from attractor.base.errors import UsageError
from attractor.twins.errors import Rejection
from attractor.twins.services.state import (
    END,
    ClockTable,
    RateLimit,
    RateLimiter,
    ServiceClock,
    ServiceState,
    format_time,
)
from tests.tables import table


def drawn(state: ServiceState) -> list[object]:
    return [state.random(1, 1000), state.letters(8), state.uuid(), state.counter("a")]


@given(st.integers())
def test_the_same_seed_draws_the_same(seed: int) -> None:
    assert drawn(ServiceState(seed)) == drawn(ServiceState(seed))


def test_seeds_and_draws_differ() -> None:
    state = ServiceState(1)
    assert drawn(state)[:3] != drawn(ServiceState(2))[:3]
    assert state.uuid() != state.uuid()
    assert UUID(state.uuid()).version == 4
    assert [state.counter("a"), state.counter("b"), state.counter("a")] == [2, 1, 3]
    assert {ServiceState(n).random(2, 3) for n in range(20)} == {2, 3}


def test_change_of_a_copy_leaves_the_original() -> None:
    first = ServiceState(collections={"c": {"1": {"id": "1"}}}, values={"v": 1})
    second = first.copy()
    second.collections["c"]["2"] = {"id": "2"}
    second.values["v"] = 2
    drawn(second)
    assert (first.collections, first.values, first.drawn) == (
        {"c": {"1": {"id": "1"}}},
        {"v": 1},
        0,
    )
    assert first.counters == {}


def test_restore_tables_separates_collections_and_values() -> None:
    state = ServiceState(collections={"c": {}}, values={"v": 1})
    state.restore_tables({"c": {"1": {"id": "1"}}, "v": 2, "w": 3})
    assert (state.collections, state.values) == ({"c": {"1": {"id": "1"}}}, {"v": 2, "w": 3})


MACHINE = datetime(2030, 5, 5, tzinfo=UTC)


def clock(**table: Any) -> ServiceClock:
    return ServiceClock(ClockTable.model_validate(table), ManualClock(MACHINE))


def test_clock_stops_until_advanced() -> None:
    one = clock(start=datetime(2026, 3, 1, tzinfo=UTC))
    one.step()
    assert format_time(one.now) == "2026-03-01T00:00:00Z"
    one.advance(timedelta(hours=1))
    one.set(datetime(2026, 3, 2, tzinfo=UTC))
    assert (format_time(one.now), one.elapsed) == ("2026-03-02T00:00:00Z", timedelta(days=1))


def test_clock_steps_with_each_request() -> None:
    one = clock(step="250ms")
    one.step()
    assert format_time(one.now) == "2026-01-01T00:00:00.250000Z"


def test_real_clock_uses_machine_time() -> None:
    one = clock(real=True)
    one.advance(timedelta(seconds=1))
    assert one.now == MACHINE + timedelta(seconds=1)


def test_clock_does_not_go_backwards() -> None:
    with pytest.raises(UsageError, match="cannot be set back"):
        clock().set(datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="time zone"):
        clock().set(datetime(2027, 1, 1))


def test_clock_ends_at_the_last_valid_time() -> None:
    one = clock(start=datetime(9999, 12, 31, 23, tzinfo=UTC), step="40m")
    with pytest.raises(UsageError, match="after 9999-12-31T23:59:59"):
        one.advance(timedelta(hours=1))
    with pytest.raises(UsageError, match="cannot advance the clock"):
        one.set(datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))))
    one.step()
    assert one.is_at_its_end
    one.step()
    assert format_time(one.now) == "9999-12-31T23:40:00Z"


def test_real_clock_stops_at_the_last_valid_time() -> None:
    one = ServiceClock(ClockTable(real=True), machine := ManualClock(MACHINE))
    one.set(END)
    asyncio.run(machine.turn(timedelta(seconds=5)))
    assert one.now == END


def test_a_start_too_early_or_too_late_is_refused() -> None:
    for wanted in (
        {"start": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))},
        {"start": datetime(9999, 12, 31, 23, tzinfo=UTC), "step": "2h"},
    ):
        with pytest.raises(ValueError, match="to UTC|exceeds 9999"):
            clock(**wanted)


@table("table", [{"start": datetime(2026, 1, 1)}, {"real": True, "step": "1s"}])
def test_invalid_tables_are_rejected(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="time zone|real cannot be combined"):
        clock(**table)


TWO_A_MINUTE = RateLimit.model_validate({"requests": 2, "per": "1m"})


def passed(limiter: RateLimiter, seconds: int, name: str = "a") -> bool:
    try:
        limiter.count_or_reject(name, TWO_A_MINUTE, timedelta(seconds=seconds))
    except Rejection:
        return False
    return True


def test_rate_limit_allows_its_number_per_period() -> None:
    limiter = RateLimiter({})
    assert [passed(limiter, at) for at in (0, 10, 20, 59, 60, 61, 62)] == [
        *(True, True, False, False),
        *(True, True, False),
    ]
    assert passed(limiter, 62, "b")
    with pytest.raises(Rejection) as caught:
        limiter.count_or_reject("a", TWO_A_MINUTE, timedelta(seconds=80))
    assert (caught.value.status, caught.value.retry_after) == (429, timedelta(seconds=40))


@table("table", [{"requests": 0, "per": "1m"}, {"requests": 1, "per": "0s"}])
def test_invalid_rate_limit_is_rejected(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="greater|longer"):
        RateLimit.model_validate(table)
