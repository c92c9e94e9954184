from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import VerificationError
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS, seal
from attractor.base.json import Json, canonical_json, parse_json
from tests.tables import table

NOON = datetime(2026, 1, 31, 12, 30, 5, 40, tzinfo=UTC)

texts = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.integers(0, 10**6)
leaves: st.SearchStrategy[Json] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
) | texts
sealed_events = st.builds(
    Event,
    seq=numbers.filter(bool),
    time=st.datetimes(timezones=st.just(UTC)),
    run_id=texts,
    type=texts,
    node=st.none() | texts,
    visit=st.none() | numbers,
    attempt=st.none() | numbers,
    data=st.dictionaries(texts, leaves, max_size=4),
    prev=texts,
    hash=texts,
)
events = sealed_events | sealed_events.map(lambda one: replace(one, seq=0, prev="", hash=""))
RECORD: dict[str, Json] = {
    "seq": 7,
    "time": "2026-01-31T12:30:05.000040Z",
    "run_id": "01ARYZ6S41",
    "type": "StageStarted",
    "node": "plan",
    "visit": 1,
    "data": {},
    "prev": "00aa",
    "hash": "11bb",
}


def test_record_has_the_fields_of_the_envelope_without_empty_ones() -> None:
    event = Event.from_record(RECORD)
    assert (event.time, event.node, event.attempt) == (NOON, "plan", None)
    assert event.to_record() == RECORD
    bare = Event(time=NOON, run_id="r", type="PipelineStarted", data={"goal": "ship"})
    assert set(bare.to_record()) == {"time", "run_id", "type", "data"}
    first = Event(time=NOON, run_id="", type="", node="", visit=0, attempt=0)
    assert {"run_id", "type", "node", "visit", "attempt"} < set(first.to_record())
    elsewhere = datetime(2026, 1, 31, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert replace(bare, time=elsewhere).to_record()["time"] == "2026-01-30T23:00:00.000000Z"


def test_sealed_event_equals_its_line_in_a_chain() -> None:
    event = Event(time=NOON, run_id="r", type="PipelineStarted")
    link = seal(event.to_record(), GENESIS)
    line = parse_json(link.line)
    assert isinstance(line, dict)
    sealed = event.sealed(1, prev=GENESIS.hash, own=link.head.hash)
    assert Event.from_record(line) == sealed
    assert canonical_json(sealed.to_record()) == link.line


@given(events)
def test_event_reads_back_from_its_line(event: Event) -> None:
    line = parse_json(canonical_json(event.to_record()))
    assert isinstance(line, dict)
    assert Event.from_record(line) == event
    assert Event.from_record(line).to_record() == line


@table(
    ("changes", "message"),
    [
        ({"seq": "7"}, "event '7': field 'seq' must be a whole number from 0, not '7'"),
        ({"seq": True}, "'seq' must be a whole number"),
        ({"seq": -1}, "'seq' must be a whole number"),
        ({"visit": 7.0}, "'visit' must be a whole number"),
        ({"time": "2026-01-31T12:30:05Z"}, "event 7: field 'time' must be a time in UTC"),
        ({"time": "2026-01-31T12:30:05.000040+00:00"}, "'time' must be a time in UTC"),
        ({"time": "2026-01-31T12:30:05.000040Z\n"}, "'time' must be a time in UTC"),
        ({"time": "2026-02-31T12:30:05.000040Z"}, "'time' is an invalid date"),
        ({"time": 1769862605}, "'time' must be text"),
        ({"run_id": None}, "'run_id' must be text, not None"),
        ({"data": ["x"] * 100}, "'data' must be an object"),
        ({"Node": "plan"}, "'Node' is unknown"),
    ],
)
def test_invalid_field_is_refused_by_name(changes: dict[str, Json], message: str) -> None:
    with pytest.raises(VerificationError) as caught:
        Event.from_record(RECORD | changes)
    assert message in caught.value.message
    assert len(caught.value.message) < 200


def test_missing_field_and_missing_time_zone_are_refused() -> None:
    for name in ("time", "run_id", "type", "data"):
        record = {key: value for key, value in RECORD.items() if key != name}
        with pytest.raises(VerificationError, match=f"field '{name}' is missing"):
            Event.from_record(record)
    with pytest.raises(VerificationError, match="'time' has no time zone"):
        Event(time=datetime(2026, 1, 1), run_id="r", type="t")


def test_event_is_hashable_immutable_and_independent_of_its_record() -> None:
    data: dict[str, Json] = {"choice": "yes"}
    event = Event(seq=1, time=NOON, run_id="r", type="t", data=data)
    written = event.to_record()
    data["choice"] = "no"
    assert written["data"] == {"choice": "yes"}
    assert len({event, replace(event)}) == 1
    with pytest.raises(FrozenInstanceError):
        event.seq = 2  # pyright: ignore[reportAttributeAccessIssue]
