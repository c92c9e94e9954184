"""The attempt that a walk is at: what it used and how long it took, over all who were at it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from attractor.engine.alike import Streak
from attractor.engine.fields import Fields
from attractor.engine.flights import InFlight, flight_from_record, flight_to_record
from attractor.engine.outcome import Usage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ONE, TWO = Usage(10, 1, 0.5), Usage(20, 2, 0.25)
AMOUNTS = st.integers(0, 10**9)
USAGES = st.builds(Usage, AMOUNTS, AMOUNTS, st.floats(0, 1e6))
TIMES = st.datetimes(timezones=st.just(UTC))
FLIGHTS = st.builds(
    InFlight,
    st.text(),
    st.integers(1, 99),
    st.integers(1, 99),
    TIMES,
    st.booleans(),
    st.integers(0, 9),
    USAGES,
    USAGES,
    st.none() | TIMES,
    st.floats(0, 1e6),
    st.builds(Streak, st.text(), st.integers(0, 99)),
    st.none() | st.text(),
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def flying(attempt: int = 1) -> InFlight:
    return InFlight("work", 1, attempt, since=NOON, at_work=NOON)


@given(FLIGHTS)
def test_a_flight_is_read_back_as_it_was_written(flight: InFlight) -> None:
    assert flight_from_record(Fields(flight_to_record(flight), "x")) == flight


def test_a_flight_of_an_older_checkpoint_says_less() -> None:
    kept = ("node", "visit", "attempt", "since", "is_aside")
    record = {name: one for name, one in flight_to_record(flying()).items() if name in kept}
    assert flight_from_record(Fields(record, "x")) == InFlight("work", 1, 1, since=NOON)


def test_time_runs_while_somebody_is_at_work() -> None:
    flight = flying()
    assert flight.seconds(at(3)) == 3
    rested = flight.left(at(3))
    assert rested.seconds(at(1000)) == 3
    again = rested.begun(1, at(1000), is_aside=False)
    assert (again.starts, again.since, again.seconds(at(1002))) == (2, NOON, 5)


def test_a_clock_that_goes_back_takes_no_time_away() -> None:
    assert flying().seconds(at(-60)) == 0
    assert flying().left(at(-60)).seconds(NOON) == 0


def test_who_takes_it_up_in_the_same_life_goes_on_counting() -> None:
    again = flying().begun(1, at(4), is_aside=False)
    assert again.seconds(at(6)) == 6
    # The next attempt is no second beginning of this one.
    later = flying().ended(None, "x").awaiting(2).begun(2, at(4), is_aside=False)
    assert (later.starts, later.worked, later.seconds(at(6))) == (1, 0, 6)


def test_what_a_start_told_counts_when_it_was_cut_off() -> None:
    from_told = InFlight("work", 1, 1, since=NOON, told=ONE).begun(1, at(1), is_aside=True)
    assert (from_told.used, from_told.told, from_told.spent) == (ONE, Usage(), ONE)


def test_what_an_attempt_says_at_its_end_is_not_counted_twice() -> None:
    flight = InFlight("work", 1, 1, since=NOON, used=TWO, told=ONE)
    assert flight.ended(ONE, None).spent == TWO + ONE
    assert flight.ended(None, None).spent == TWO + ONE


def test_failures_count_when_their_attempt_is_over() -> None:
    failed = flying().ended(None, "busy")
    assert failed.streak.alike == 0
    # One that is made again did not fail before.
    assert failed.begun(1, at(1), is_aside=False).failed is None
    second = failed.awaiting(2)
    assert second.streak == Streak("busy", 1)
    third = second.begun(2, at(2), is_aside=False).ended(None, "busy").awaiting(3)
    assert third.streak == Streak("busy", 2)
    assert third.begun(3, at(3), is_aside=False).ended(None, "").awaiting(4).streak == Streak("", 1)
