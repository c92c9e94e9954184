from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import Json
from attractor.engine.blobs import Blobs
from attractor.engine.large_values import (
    FILE_BACKING_THRESHOLD,
    WholeValues,
    find_reference,
    put_aside,
    read_whole,
)

BIG = "x" * (FILE_BACKING_THRESHOLD + 1)
LOOKS_LIKE_ONE: Json = {"$artifact": "a" * 64, "bytes": 3}

leaves = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"))
plain = st.recursive(
    leaves | st.sampled_from([BIG, LOOKS_LIKE_ONE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text("kl"), plain, max_size=3))
def test_every_value_comes_back_as_it_was(values: dict[str, Json]) -> None:
    blobs = Blobs()
    aside = put_aside(values, blobs)
    assert {key: read_whole(one, blobs) for key, one in aside.items()} == values
    assert dict(WholeValues(aside, blobs)) == values


def test_only_what_is_larger_than_the_threshold_is_put_aside() -> None:
    blobs = Blobs()
    exact = "x" * (FILE_BACKING_THRESHOLD - 2)
    aside = put_aside({"exact": exact, "more": exact + "x", "list": [BIG]}, blobs)
    assert aside["exact"] == exact
    reference = find_reference(aside["more"])
    assert reference is not None
    assert reference.size == FILE_BACKING_THRESHOLD + 1
    assert find_reference(aside["list"]) is not None


def test_a_text_that_grows_as_json_is_measured_as_json() -> None:
    aside = put_aside({"zeros": "\0" * (FILE_BACKING_THRESHOLD // 2)}, Blobs())
    assert find_reference(aside["zeros"]) is not None


def test_what_only_looks_like_a_reference_is_read_as_what_it_is() -> None:
    blobs = Blobs()
    aside = put_aside({"forged": LOOKS_LIKE_ONE}, blobs)
    assert aside["forged"] != LOOKS_LIKE_ONE
    assert read_whole(aside["forged"], blobs) == LOOKS_LIKE_ONE


def test_what_the_engine_must_read_stays_where_it_is() -> None:
    assert put_aside({"named": [BIG]}, Blobs(), but=("named",)) == {"named": [BIG]}


def test_other_objects_are_no_references() -> None:
    others: list[Json] = [
        {"$artifact": "a" * 64},
        {"$artifact": "a" * 64, "bytes": 3, "more": 1},
        {"$artifact": "../../etc/passwd", "bytes": 3},
        {"$artifact": 3, "bytes": 3},
        "a" * 64,
        None,
    ]
    assert [find_reference(one) for one in others] == [None] * len(others)
