from threading import Thread

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import NotCanonical
from attractor.base.json import Json
from attractor.engine.context import Context, ResolvedValues, resolve_reference, store_large_values
from attractor.engine.storage.artifacts import FILE_BACKING_THRESHOLD, Blobs
from attractor.engine.truncation import find_reference
from tests.patience import PATIENCE_S
from tests.tables import table


def test_values_are_stored_and_read_as_text() -> None:
    context = Context({"a": 1})
    context.set("flag", True)
    assert (context.get("a"), context.get("none", 5)) == (1, 5)
    assert context.get_string("flag") == "true"
    assert context.get_string("none", "x") == "x"


def test_values_are_copied_on_the_way_out() -> None:
    inner = ["one"]
    context = Context({"list": ["old"]})
    context.set("set", inner)  # pyright: ignore[reportArgumentType]
    inner.append("two")
    got = context.get("list")
    assert isinstance(got, list)
    got.append("new")
    assert context.snapshot() == {"list": ["old"], "set": ["one"]}


@table("odd", [float("nan"), (1, 2), {1: "a"}, object(), "\ud800"])
def test_invalid_json_is_refused_on_set(odd: Json) -> None:
    context = Context({"a": 1})
    with pytest.raises(NotCanonical):
        context.set("a", odd)
    assert context.snapshot() == {"a": 1}
    assert context.written() == {}


def test_written_values_are_known() -> None:
    context = Context({"old": 1})
    context.set("a", 1)
    context.apply_updates({"b": 2, "old": 3})
    assert context.written() == {"a": 1, "b": 2, "old": 3}


def test_clone_is_independent_of_its_original() -> None:
    context = Context({"a": 1})
    context.append_log("first")
    clone = context.clone()
    clone.set("a", 2)
    clone.append_log("second")
    assert (context.get("a"), context.logs()) == (1, ("first",))
    assert (clone.get("a"), clone.logs()) == (2, ("first", "second"))


def test_large_value_is_read_at_its_first_use() -> None:
    read: list[object] = []

    def whole(value: Json) -> Json:
        read.append(value)
        return ["whole"] if value == "aside" else value

    context = Context({"big": "aside", "small": 1}, read=whole)
    assert read == []
    assert (context.get("big"), context.get_string("big")) == (["whole"], '["whole"]')
    assert context.snapshot() == context.clone().snapshot() == {"big": ["whole"], "small": 1}
    assert context.get("none", 5) == 5


def test_set_value_is_never_taken_for_reference() -> None:
    context = Context({"a": "aside"}, read=lambda _: "read")
    context.set("a", "aside")
    assert (context.get("a"), context.clone().get("a"), context.snapshot()) == (
        "aside",
        "aside",
        {"a": "aside"},
    )


def test_threads_lose_nothing() -> None:
    context = Context()

    def write(name: str) -> None:
        for number in range(200):
            context.set(f"{name}{number}", number)
            context.append_log(name)

    threads = [Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE_S)
    assert len(context.snapshot()) == len(context.logs()) == 800


BIG = "x" * (FILE_BACKING_THRESHOLD + 1)
LOOKS_LIKE_ONE: Json = {"$artifact": "a" * 64, "bytes": 3}

leaves = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"))
plain = st.recursive(
    leaves | st.sampled_from([BIG, LOOKS_LIKE_ONE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text("kl"), plain, max_size=3))
def test_every_value_is_unchanged_after_a_round_trip(values: dict[str, Json]) -> None:
    blobs = Blobs()
    aside = store_large_values(values, blobs)
    assert {key: resolve_reference(one, blobs) for key, one in aside.items()} == values
    whole = ResolvedValues(aside, blobs)
    assert (dict(whole), len(whole)) == (values, len(values))


def test_only_values_above_threshold_become_references() -> None:
    blobs = Blobs()
    exact = "x" * (FILE_BACKING_THRESHOLD - 2)
    aside = store_large_values({"exact": exact, "more": exact + "x", "list": [BIG]}, blobs)
    assert aside["exact"] == exact
    reference = find_reference(aside["more"])
    assert reference is not None
    assert reference.size == FILE_BACKING_THRESHOLD + 1
    assert find_reference(aside["list"]) is not None


def test_a_text_that_grows_as_json_is_measured_as_json() -> None:
    aside = store_large_values({"zeros": "\0" * (FILE_BACKING_THRESHOLD // 2)}, Blobs())
    assert find_reference(aside["zeros"]) is not None


def test_value_that_looks_like_reference_is_read_unchanged() -> None:
    blobs = Blobs()
    aside = store_large_values({"forged": LOOKS_LIKE_ONE}, blobs)
    assert aside["forged"] != LOOKS_LIKE_ONE
    assert resolve_reference(aside["forged"], blobs) == LOOKS_LIKE_ONE


def test_engine_values_are_never_referenced() -> None:
    assert store_large_values({"named": [BIG]}, Blobs(), but=("named",)) == {"named": [BIG]}


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
