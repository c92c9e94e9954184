from collections import OrderedDict
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import NotCanonical
from attractor.base.json import DEEPEST, Json, canonical_json, parse_json
from tests.tables import table

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES: st.SearchStrategy[Json] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


def distinguishable(value: object) -> object:
    """Distinguish values that Python considers equal: 1, 1.0 and True, 0.0 and -0.0."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {key: distinguishable(inner) for key, inner in members.items()}
    if isinstance(value, list):
        return [distinguishable(inner) for inner in cast("list[object]", value)]
    return type(value).__name__, repr(value)


def nested(levels: int) -> Json:
    value: Json = "deep"
    for _ in range(levels):
        value = [value]
    return value


@given(VALUES)
def test_written_value_reads_back_exactly(value: Json) -> None:
    assert distinguishable(parse_json(canonical_json(value))) == distinguishable(value)


@given(st.dictionaries(st.text(), VALUES, min_size=2), st.randoms())
def test_order_of_keys_does_not_matter(value: dict[str, Json], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert canonical_json({key: value[key] for key in keys}) == canonical_json(value)


@table(
    ("value", "text"),
    [
        ({"b": [1, 1.0, True, None], "a": {}}, '{"a":{},"b":[1,1.0,true,null]}'),
        ({"ä": 'é"\n\x7f\u2028😀', "z": "\0"}, '{"z":"\\u0000","ä":"é\\"\\n\x7f\u2028😀"}'),
        ({"😀": 1, "\uffff": 2}, '{"\uffff":2,"😀":1}'),
        ([0.0, -0.0, 1e16, 1e-7, 0.1], "[0.0,-0.0,1e+16,1e-07,0.1]"),
        (2**80, "1208925819614629174706176"),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        (OrderedDict({"b": Size.SMALL, "a": Colour.RED}), '{"a":"red","b":1}'),
        ({Colour.RED: {Colour.RED: 1}}, '{"red":{"red":1}}'),
    ],
)
def test_canonical_text(value: Json, text: str) -> None:
    assert canonical_json(value) == text


@table(
    ("value", "where"),
    [
        ({"data": {"items": [1, 2, 3, float("nan")]}}, "the number nan at data.items[3]"),
        ([float("-inf")], "the number -inf at [0]"),
        ({"a": {1: "x"}}, "the key 1, which is not a text, at a"),
        ({"a": {None: "x"}}, "the key None, which is not a text, at a"),
        ({1: "x", "b": "y"}, "the key 1, which is not a text, at the top"),
        ({"a b": ["ok", "\ud800"]}, "a lone surrogate at ['a b'][1]"),
        ({"a": {"\udfff": 1}}, "the key '\\udfff', which contains a lone surrogate, at a"),
        ({"a": [(1, 2)]}, "a value of type tuple at a[0]"),
        ({"a": b"bytes"}, "a value of type bytes at a"),
        ({"a": {"b": {1, 2}}}, "a value of type set at a.b"),
        ([10**5000], "a number with too many digits at [0]"),
    ],
)
def test_invalid_value_is_refused_with_its_place(value: Any, where: str) -> None:
    with pytest.raises(NotCanonical) as refusal:
        canonical_json(value)
    assert refusal.value.message.endswith(where)


def test_depth_is_limited() -> None:
    assert parse_json(canonical_json(nested(DEEPEST))) == nested(DEEPEST)
    for levels in (DEEPEST + 1, 50_000):
        with pytest.raises(NotCanonical, match=f"more than {DEEPEST} levels"):
            canonical_json(nested(levels))


def test_recursive_value_is_refused() -> None:
    ring: list[Json] = []
    ring.extend([ring, ring])
    with pytest.raises(NotCanonical, match="recursive value"):
        canonical_json({"ring": ring})


def test_parsing_is_strict() -> None:
    for text, words in (
        ('{"a": {"b": 1, "c": 2, "b": 1}}', "duplicate key 'b'"),
        ("[NaN]", "NaN is not a number"),
        ("-Infinity", "-Infinity is not a number"),
        ("[1e999]", "the number 1e999 is too large"),
        ("[-1e999]", "the number -1e999 is too large"),
        ("1" * 5000, "digits"),
        (b'"\xff"', "can't decode byte 0xff"),
        (b'"\xed\xa0\x80"', "can't decode byte 0xed"),
        ('{"\x01": 1}', "Invalid control character"),
        (b"\xff\xfe1\x00", "can't decode byte 0xff"),
        ("\ufeff1", "Expecting value"),
        ('{"a": ["\\ud800"]}', "a lone surrogate at a[0]"),
        ('{"\\uDFFF": 1}', "a lone surrogate"),
        ('"\ud800"', "a lone surrogate"),
        ("[" * 100_000, "recursion"),
        ("{} {}", "Extra data"),
        ("", "Expecting value"),
    ):
        with pytest.raises(NotCanonical) as refusal:
            parse_json(text)
        assert words in refusal.value.message


def test_escaped_characters_are_read() -> None:
    assert parse_json(r'["\ud83d\ude00", "\\ud800", "\u00e4"]') == ["😀", r"\ud800", "ä"]


@given(st.binary() | st.text(st.sampled_from('{}[]",:0e-.9 \\udNa\ud800')))
def test_parsed_text_can_be_written_again(text: str | bytes) -> None:
    try:
        value = parse_json(text)
    except NotCanonical:
        return
    assert distinguishable(parse_json(canonical_json(value))) == distinguishable(value)
