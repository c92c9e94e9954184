from typing import Any

from attractor.base.json import Json
from attractor.twins.recordings.json_diff import MISSING, JsonPath, dotted_path, request_differences
from tests.tables import table


@table(
    ("asked", "recorded", "messages"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, ["a[1].b is 'x', not 'y'"]),
        ({}, {"tools": []}, ["tools is missing"]),
        ({"tools": None}, {}, ["tools was not recorded"]),
        ([1], [1, 2], ["[1] is missing"]),
        ({"a": True}, {"a": 1}, ["a is True, not 1"]),
        ({"a": 1}, {"a": 1.0}, ["a is 1, not 1.0"]),
        ("x", None, ["the body is 'x', not None"]),
        ({"a": {"b": 1}}, {"a": 5}, ["a is {'b': 1}, not 5"]),
    ],
)
def test_differences_are_reported_with_their_path(
    asked: Any, recorded: Any, messages: list[str]
) -> None:
    assert [str(one) for one in request_differences(asked, recorded)] == messages


def test_long_texts_are_compared_at_their_first_difference() -> None:
    (found,) = map(str, request_differences({"a": "x" * 5000 + "one"}, {"a": "x" * 5000 + "two"}))
    assert "xone'" in found
    assert "xtwo'" in found
    assert len(found) < 200


def test_place_is_readable() -> None:
    for place, written in (
        ((), ""),
        (("rules",), "rules"),
        (("rules", 0), "rules[0]"),
        (("rules", 10, "when", "step"), "rules[10].when.step"),
        ((3, "name"), "[3].name"),
        (("rows", 1, 2), "rows[1][2]"),
        (("q r", "x"), "q r.x"),
    ):
        assert dotted_path(place) == written


def test_values_at_a_path_are_edited_or_removed() -> None:
    value: Json = {"a": [{"id": 1, "b": {"id": 2}}, {"c": 3}, 4], "id": {"id": 5}}
    cases: list[tuple[str, Json]] = [
        ("$.a[*].id", {"a": [{"b": {"id": 2}}, {"c": 3}, 4], "id": {"id": 5}}),
        ("$.a[1]", {"a": [{"id": 1, "b": {"id": 2}}, None, 4], "id": {"id": 5}}),
        ("$..id", {"a": [{"b": {}}, {"c": 3}, 4]}),
        ("$.id.id", {"a": [{"id": 1, "b": {"id": 2}}, {"c": 3}, 4], "id": {}}),
        ("$.a.id", value),
        ("$.x[*]", value),
        ("$", None),
    ]
    for path, edited in cases:
        assert JsonPath(path).edit(value, lambda found: MISSING) == edited, path
    assert JsonPath("$.*").edit({"a": 1, "b": "x"}, str) == {"a": "1", "b": "x"}
