from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import VerificationError
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS, seal
from attractor.base.json import Json, canonical_json, parse_json

NOON = datetime(2026, 1, 31, 12, 30, 5, 40, tzinfo=UTC)

texts = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.integers(0, 10**6)
leaves: st.SearchStrategy[Json] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
) | texts


def containers(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)


values = st.recursive(leaves, containers, max_leaves=8)
sealed_events = st.builds(
    Event,
    seq=numbers.filter(bool),
    time=st.datetimes(timezones=st.just(UTC)),
    run_id=texts,
    type=texts,
    node=st.none() | texts,
    visit=st.none() | numbers,
    attempt=st.none() | numbers,
    data=st.dictionaries(texts, values, max_size=4),
    prev=texts,
    hash=texts,
)
events = sealed_events | sealed_events.map(lambda one: replace(one, seq=0, prev="", hash=""))


def stage_started() -> Event:
    return Event(
        seq=7,
        time=NOON,
        run_id="01ARYZ6S41",
        type="StageStarted",
        node="plan",
        visit=1,
        prev="00aa",
        hash="11bb",
    )


def record(**changed: Json) -> dict[str, Json]:
    return {**stage_started().to_record(), **changed}


def test_a_record_has_the_fields_of_the_envelope():
    assert stage_started().to_record() == {
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


def test_what_is_not_known_of_the_place_and_not_sealed_yet_is_left_out():
    bare = Event(time=NOON, run_id="r", type="PipelineStarted", data={"goal": "ship"})
    assert set(bare.to_record()) == {"time", "run_id", "type", "data"}
    assert bare.to_record()["data"] == {"goal": "ship"}
    first = Event(time=NOON, run_id="", type="", node="", visit=0, attempt=0)
    assert {"run_id", "type", "node", "visit", "attempt"} < set(first.to_record())


def test_a_chain_seals_an_event():
    event = Event(time=NOON, run_id="r", type="PipelineStarted")
    link = seal(event.to_record(), GENESIS)
    line = parse_json(link.line)
    assert isinstance(line, dict)
    sealed = replace(event, seq=1, prev=GENESIS.hash, hash=link.head.hash)
    assert Event.from_record(line) == sealed
    assert canonical_json(sealed.to_record()) == link.line


def test_the_time_is_written_in_utc_with_microseconds():
    elsewhere = datetime(2026, 1, 31, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    written = Event(seq=1, time=elsewhere, run_id="r", type="t").to_record()["time"]
    assert written == "2026-01-30T23:00:00.000000Z"


@given(events)
def test_an_event_reads_back_from_its_journal_line(event: Event):
    line = parse_json(canonical_json(event.to_record()))
    assert isinstance(line, dict)
    assert Event.from_record(line) == event
    assert Event.from_record(line).to_record() == line


@pytest.mark.parametrize(
    ("changed", "mistake"),
    [
        ({"seq": "7"}, "event '7': field 'seq' must be a whole number from 0, not '7'"),
        ({"seq": True}, "'seq' must be a whole number"),
        ({"seq": -1}, "'seq' must be a whole number"),
        ({"seq": 7.0}, "'seq' must be a whole number"),
        ({"time": "2026-01-31T12:30:05Z"}, "event 7: field 'time' must be a time in UTC"),
        ({"time": "2026-01-31T12:30:05.000040+00:00"}, "'time' must be a time in UTC"),
        ({"time": "2026-01-31T12:30:05.000040Z\n"}, "'time' must be a time in UTC"),
        ({"time": "2026-02-31T12:30:05.000040Z"}, "'time' is an invalid date"),
        ({"time": 1769862605}, "'time' must be text"),
        ({"run_id": None}, "'run_id' must be text, not None"),
        ({"type": 3}, "'type' must be text"),
        ({"node": None}, "'node' must be text, not None"),
        ({"visit": "first"}, "'visit' must be a whole number"),
        ({"attempt": 1.5}, "'attempt' must be a whole number"),
        ({"data": ["x"] * 100}, "'data' must be an object"),
        ({"prev": 0}, "'prev' must be text"),
        ({"hash": None}, "'hash' must be text"),
        ({"Node": "plan"}, "'Node' is unknown"),
    ],
)
def test_a_field_of_another_shape_is_refused_by_name(changed: dict[str, Json], mistake: str):
    with pytest.raises(VerificationError) as caught:
        Event.from_record(record(**changed))
    assert mistake in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ["time", "run_id", "type", "data"])
def test_a_missing_field_is_refused_by_name(name: str):
    short = record()
    del short[name]
    with pytest.raises(VerificationError, match=f"field '{name}' is missing"):
        Event.from_record(short)


def test_an_event_without_a_time_zone_is_refused():
    with pytest.raises(VerificationError, match="'time' has no time zone"):
        Event(time=datetime(2026, 1, 1), run_id="r", type="t")


def test_an_event_is_hashable_and_cannot_be_changed():
    event = Event(seq=1, time=NOON, run_id="r", type="t", data={"list": [1]})
    assert len({event, Event(seq=1, time=NOON, run_id="r", type="t", data={"list": [1]})}) == 1
    with pytest.raises(FrozenInstanceError):
        event.seq = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_a_record_is_not_tied_to_the_event():
    data: dict[str, Json] = {"choice": "yes"}
    event = Event(seq=1, time=NOON, run_id="r", type="t", data=data)
    written = event.to_record()
    data["choice"] = "no"
    assert written["data"] == {"choice": "yes"}
