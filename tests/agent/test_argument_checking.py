import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.agent.argument_checking import find_faults
from attractor.base.canonical import Json

SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "minLength": 1},
        "limit": {"type": "integer", "minimum": 1, "maximum": 9},
        "ratio": {"type": "number"},
        "all": {"type": "boolean"},
        "status": {"enum": ["success", "fail"]},
        "ids": {"type": "array", "items": {"type": "string"}},
        "inner": {"type": "object", "properties": {"x": {"type": ["string", "null"]}}},
    },
    "required": ["path"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": "a"},
        {"path": "a", "limit": 9, "ratio": 2, "all": False, "status": "fail", "ids": []},
        {"path": "a", "limit": 2.0, "ids": ["x", "y"], "inner": {"x": None, "more": 1}},
    ],
)
def test_what_fits_has_no_fault(arguments: dict[str, Json]) -> None:
    assert find_faults(arguments, SCHEMA) == []


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        ({}, ["path is missing"]),
        ({"path": 3}, ["path must be string, not integer"]),
        ({"path": ""}, ["path must not be empty"]),
        ({"path": "a", "limit": 0}, ["limit must be at least 1, not 0"]),
        ({"path": "a", "limit": 10}, ["limit must be at most 9, not 10"]),
        ({"path": "a", "limit": True}, ["limit must be integer, not boolean"]),
        ({"path": "a", "limit": 1.5}, ["limit must be integer, not number"]),
        ({"path": "a", "ratio": "1"}, ["ratio must be number, not string"]),
        ({"path": "a", "ids": ["x", 1]}, ["ids[1] must be string, not integer"]),
        ({"path": "a", "ids": {}}, ["ids must be array, not object"]),
        ({"path": "a", "inner": {"x": 1}}, ["inner.x must be string or null, not integer"]),
        ({"path": "a", "status": "ok"}, ['status must be one of ["success","fail"], not "ok"']),
        ({"path": "a", "limt": 1}, ["limt is not known; did you mean limit?"]),
        (
            {"limit": "x", "zzz": 1},
            [
                "path is missing",
                "limit must be integer, not string",
                "zzz is not known; known are path, limit, ratio, all, status, ids, inner",
            ],
        ),
    ],
)
def test_every_fault_is_named(arguments: dict[str, Json], faults: list[str]) -> None:
    assert find_faults(arguments, SCHEMA) == faults


def test_the_arguments_themselves_must_be_an_object() -> None:
    assert find_faults([], SCHEMA) == ["the arguments must be object, not array"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
)


@given(VALUES)
def test_no_value_is_too_odd_to_be_checked(value: Json) -> None:
    assert find_faults(value, SCHEMA)
    assert find_faults(value, {}) == []
