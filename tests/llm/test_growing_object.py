import json
from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import DEEPEST, Json, JsonObject
from attractor.llm.growing_object import GrowingObject
from tests.growing import times_more

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)


def begins(part: Json, whole: Json) -> bool:
    """Say whether a value is the beginning of another one, as the one is being written."""
    if isinstance(part, dict) and isinstance(whole, dict):
        if list(part) != list(whole)[: len(part)]:
            return False
        return _begin([*part.values()], [*whole.values()])
    if isinstance(part, list) and isinstance(whole, list):
        return _begin(part, whole)
    if isinstance(part, str) and isinstance(whole, str):
        return whole.startswith(part)
    return type(part) is type(whole) and part == whole


def _begin(part: list[Json], whole: list[Json]) -> bool:
    if len(part) > len(whole):
        return False
    *closed, last = part or [None]
    return not part or (closed == whole[: len(closed)] and begins(last, whole[len(closed)]))


def grown(*pieces: str) -> JsonObject | None:
    growing = GrowingObject()
    for piece in pieces:
        growing.feed(piece)
    return growing.value


@given(OBJECTS, st.booleans(), st.sampled_from([None, 1]))
def test_every_beginning_of_an_object_gives_a_beginning_of_its_value(
    value: dict[str, Json], is_ascii: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    growing = GrowingObject()
    told: list[JsonObject] = []
    for letter in text:
        before = growing.value
        assert growing.feed(letter) == (growing.value != before)
        if growing.value is not None:
            told.append(growing.value)
    assert growing.value == value
    copies = [json.loads(json.dumps(one)) for one in told]
    assert all(begins(one, value) for one in copies)
    assert all(begins(one, other) for one, other in pairwise(copies))


@given(OBJECTS, st.data())
def test_it_does_not_matter_where_the_text_is_divided(
    value: dict[str, Json], data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    end = data.draw(st.integers(0, len(text)))
    cuts = sorted(data.draw(st.lists(st.integers(0, end), max_size=5)))
    pieces = [text[one:other] for one, other in pairwise([0, *cuts, end])]
    assert grown(*pieces) == grown(text[:end])
    assert grown(text) == value


@given(st.text(alphabet='{}[]":, a1-.e\\u0d8ntrfl\n', max_size=40))
def test_no_text_is_too_odd_and_nothing_that_was_told_is_taken_back(text: str) -> None:
    growing = GrowingObject()
    before: JsonObject | None = None
    for letter in "{" + text:
        growing.feed(letter)
        value = growing.value
        if before is not None:
            assert value is not None
            assert begins(dict(before), dict(value))
        before = None if value is None else json.loads(json.dumps(value))


SURE: list[tuple[str, JsonObject | None]] = [
    ("", None),
    (" \n", None),
    ("{", {}),
    ('{"a', {}),
    ('{"a"', {}),
    ('{"a":', {}),
    ('{"a": "', {"a": ""}),
    ('{"a": "b', {"a": "b"}),
    ('{"a": "b\\', {"a": "b"}),
    ('{"a": "b\\u00e', {"a": "b"}),
    ('{"a": "b\\u00e4', {"a": "bä"}),
    ('{"a": "\\ud83d', {"a": ""}),
    ('{"a": "\\ud83d\\ude0', {"a": ""}),
    ('{"a": "\\ud83d\\ude00', {"a": "😀"}),
    ('{"a": 1', {}),
    ('{"a": 12,', {"a": 12}),
    ('{"a": -1.5e3}', {"a": -1500.0}),
    ('{"a": tru', {}),
    ('{"a": true ', {"a": True}),
    ('{"a": [', {"a": []}),
    ('{"a": [1, 2', {"a": [1]}),
    ('{"a": [1, {"b": [], "c": "', {"a": [1, {"b": [], "c": ""}]}),
    ('{"a": {"b": "c"}, "d"', {"a": {"b": "c"}}),
    ('{"a": 1} and more', {"a": 1}),
]


@pytest.mark.parametrize(("text", "value"), SURE)
def test_what_is_sure_is_told(text: str, value: JsonObject | None) -> None:
    assert grown(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("words", None),
        ('["a"]', None),
        ("{a: 1}", {}),
        ('{"a" 1}', {}),
        ('{"a": nothing, "b": 2}', {}),
        ('{"a": 1, "b": 01}', {"a": 1}),
        ('{"a": 1e999}', {}),
        ('{"a": NaN}', {}),
        ('{"a": "b\\x", "c": 1}            ', {"a": "b"}),
        ('{"a": "b\n"}', {"a": "b"}),
        ('{"a": "\\ud83d", "b": "c"}', {"a": ""}),
        ('{"a": "\ud83d"}', {"a": ""}),
        ('{"a": [1}', {"a": [1]}),
        ('{"a": 1, "a": 2}', {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
        ('{"a": [1,]}', {"a": [1]}),
        ('{"a": ' + "1" * 6000, {}),
    ],
)
def test_what_cannot_become_json_grows_no_further(text: str, value: JsonObject | None) -> None:
    growing = GrowingObject()
    growing.feed(text)
    assert growing.value == value
    assert not growing.feed('"}]}')
    assert growing.value == value


def test_it_is_as_deep_as_other_json_may_be() -> None:
    deep = '{"a":' * DEEPEST
    assert json.dumps(grown(deep)).count("{") == DEEPEST
    assert json.dumps(grown(deep + '{"a":')).count("{") == DEEPEST


WIDE: Mapping[str, Callable[[int], Mapping[str, object]]] = {
    "one text": lambda size: {"a": "word " * size},
    "many members": lambda size: {f"k{number}": number for number in range(size)},
    "many numbers": lambda size: {"a": [1] * size},
    "many objects": lambda size: {
        "a": [{"name": f"n{n}", "tags": ["a", "b"]} for n in range(size)]
    },
}


@pytest.mark.parametrize("shape", WIDE)
def test_ten_times_the_object_in_pieces_is_ten_times_the_work(shape: str) -> None:
    def work(size: int) -> Callable[[], None]:
        value = WIDE[shape](size)
        text = json.dumps(value)

        def grow() -> None:
            growing = GrowingObject()
            for at in range(0, len(text), 20):
                if growing.feed(text[at : at + 20]):
                    assert growing.value is not None
            assert growing.value == value

        return grow

    assert times_more(work, few=100) < 15
