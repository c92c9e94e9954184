"""Progress of a walk, and the usage and time of its attempt in flight."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from attractor.base.json import Json, canonical_json, parse_json
from attractor.base.records import write_record
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, success
from attractor.engine.state.attempts import InFlight, Streak
from attractor.engine.state.progress import (
    LEFT_OUT,
    Move,
    Progress,
    StageRecord,
    Step,
    SteppedOver,
    Visit,
    WalkEnd,
    advance,
    begin,
    progress_from_record,
    progress_to_record,
    step_from_record,
    step_to_record,
)
from attractor.engine.storage.json_files import Fields
from tests.engine.graphs import line

NUMBERS = st.integers(0, 9)
TEXTS = st.text(max_size=5)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
MEMBERS = st.dictionaries(TEXTS, JSON, max_size=3)
LISTS = st.lists(TEXTS, max_size=3).map(tuple)
ENDS = st.none() | st.builds(WalkEnd, st.sampled_from(StageStatus), TEXTS, TEXTS)
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(StageStatus),
    preferred_label=TEXTS,
    suggested_next_ids=LISTS,
    context_updates=MEMBERS,
    notes=TEXTS,
    failure_reason=TEXTS,
    failure_class=st.none() | st.sampled_from(FailureClass),
    usage=st.builds(Usage, NUMBERS, NUMBERS, st.floats(0, 9)),
)
VISITS = st.builds(
    Visit,
    node=TEXTS,
    number=NUMBERS,
    attempts=NUMBERS,
    outcome=OUTCOMES,
    tree=TEXTS,
    logs=LISTS,
    seconds=st.floats(0, 9),
    is_transparent=st.booleans(),
    is_assumed=st.booleans(),
    meeting=TEXTS,
)
MOVES = st.builds(
    Move,
    target=TEXTS,
    reason=TEXTS,
    redirects=NUMBERS,
    is_handled=st.booleans(),
    is_stepped_over=st.booleans(),
    end=ENDS,
)
STEPS = st.builds(Step, VISITS, MOVES)


def through_json(record: dict[str, Json]) -> Fields:
    return Fields(parse_json(canonical_json(record)), "record")


@given(STEPS)
def test_a_step_comes_back_from_the_journal(step: Step) -> None:
    assert step_from_record(through_json(step_to_record(step))) == step


def test_a_step_in_the_journal_leaves_out_default_values() -> None:
    step = Step(Visit("a", 1, 1, success("done")), Move("b", "weight"))
    assert step_to_record(step) == {
        "visit": {
            "node": "a",
            "number": 1,
            "attempts": 1,
            "outcome": {"status": "success", "notes": "done"},
        },
        "move": {"target": "b", "reason": "weight"},
    }


@given(st.lists(STEPS, max_size=5), st.none() | st.just(()))
def test_progress_round_trips(steps: list[Step], written: tuple[str, ...] | None) -> None:
    progress = replace(begin(line("a", goal="g"), "tree", {"x": [1]}), written=written)
    for step in steps:
        progress = advance(progress, step)
    back = progress_from_record(through_json(progress_to_record(progress)))
    assert back == progress
    assert list(back.stages) == list(progress.stages)


def visited(
    progress: Progress, outcome: Outcome, *, attempts: int = 1, node: str = "a"
) -> Progress:
    visit = Visit(node, progress.visits(node) + 1, attempts, outcome, tree="t2")
    return advance(progress, Step(visit, Move("b", "weight")))


def test_skipping_leaves_an_earlier_outcome_standing() -> None:
    skipped = Outcome(StageStatus.SKIPPED)
    fresh = visited(Progress("a"), skipped)
    assert fresh.stages["a"].outcome is StageStatus.SKIPPED
    assert "outcome" not in fresh.context
    after = visited(visited(Progress("a"), success()), skipped)
    assert after.stages["a"] == StageRecord(2, StageStatus.SUCCESS)
    assert after.last_status is StageStatus.SUCCESS


def test_left_out_branches_are_not_stepped_over() -> None:
    before = Progress("join", steps_over=(SteppedOver("a", "fan@1.1/a"), SteppedOver("w")))
    assert before.stepped_over == ("a", "w")
    left_out: dict[str, Json] = {LEFT_OUT: ["fan@1.1/b", "fan@1.1/a"]}
    after = visited(before, Outcome(StageStatus.SUCCESS, context_updates=left_out))
    assert (after.left_out, after.stepped_over) == (("fan@1.1/b", "fan@1.1/a"), ("w",))
    # Only a list is accepted.
    odd = visited(before, Outcome(StageStatus.SUCCESS, context_updates={LEFT_OUT: "fan@1.1/a"}))
    assert odd.left_out == ()


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


def make_flight(attempt: int = 1) -> InFlight:
    return InFlight("work", 1, attempt, since=NOON, working_since=NOON)


@given(FLIGHTS)
def test_flight_is_unchanged_after_a_round_trip(flight: InFlight) -> None:
    assert Fields(write_record(flight), "x").record(InFlight) == flight


def test_time_counts_while_process_works() -> None:
    flight = make_flight()
    assert flight.seconds(at(3)) == 3
    rested = flight.left(at(3))
    assert rested.seconds(at(1000)) == 3
    again = rested.begun(1, at(1000), is_aside=False)
    assert (again.starts, again.since, again.seconds(at(1002))) == (2, NOON, 5)


def test_a_clock_that_goes_back_takes_no_time_away() -> None:
    assert make_flight().seconds(at(-60)) == 0
    assert make_flight().left(at(-60)).seconds(NOON) == 0


def test_repeated_attempt_in_same_process_keeps_time() -> None:
    again = make_flight().begun(1, at(4), is_aside=False)
    assert again.seconds(at(6)) == 6
    # The next attempt is not a second start of this attempt.
    later = make_flight().ended(None, "x").awaiting(2).begun(2, at(4), is_aside=False)
    assert (later.starts, later.worked, later.seconds(at(6))) == (1, 0, 6)


def test_usage_of_interrupted_attempt_counts() -> None:
    from_told = InFlight("work", 1, 1, since=NOON, reported=ONE).begun(1, at(1), is_aside=True)
    assert (from_told.used, from_told.reported, from_told.spent) == (ONE, Usage(), ONE)


def test_usage_at_end_of_attempt_counts_once() -> None:
    flight = InFlight("work", 1, 1, since=NOON, used=TWO, reported=ONE)
    assert flight.ended(ONE, None).spent == TWO + ONE
    assert flight.ended(None, None).spent == TWO + ONE


def test_calls_at_the_same_time_began_with_the_first() -> None:
    first = make_flight().with_calls(ONE, at(1))
    assert first.with_calls(ONE + TWO, at(2)).calling_since == at(1)
    assert first.with_calls(Usage(), at(2)).calling_since is None
    assert first.ended(ONE, None).calling_since is None
    assert first.begun(1, at(2), is_aside=False).calling_since is None


def test_failures_count_when_their_attempt_is_over() -> None:
    failed = make_flight().ended(None, "busy")
    assert failed.streak.count == 0
    # An attempt that starts again has no failure.
    assert failed.begun(1, at(1), is_aside=False).failed is None
    second = failed.awaiting(2)
    assert second.streak == Streak("busy", 1)
    third = second.begun(2, at(2), is_aside=False).ended(None, "busy").awaiting(3)
    assert third.streak == Streak("busy", 2)
    assert third.begun(3, at(3), is_aside=False).ended(None, "").awaiting(4).streak == Streak("", 1)
