import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.llm.json_schema import check_schema, find_faults
from tests.llm.generated import PERSON
from tests.tables import table

ARGUMENTS: dict[str, Json] = {
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
    "required": ["path", "it's"],
    "additionalProperties": False,
    "patternProperties": {"^x-": {}, "^it": {}},
}


@table(
    ("schema", "wrong"),
    [
        ({"properties": {"a": {"anyOf": [{"const": 1}, {"pattern": "^x"}]}}}, "y"),
        ({"$defs": {"n": {"type": "null"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}, 1),
        ({"properties": {"a": {"uniqueItems": True}}}, [1, 1]),
    ],
)
def test_every_keyword_of_json_schema_is_checked(schema: JsonObject, wrong: Json) -> None:
    assert find_faults({"a": wrong}, schema)


def test_first_faults_are_reported_shortened() -> None:
    schema: JsonObject = {"items": {"type": "integer"}}
    letters: list[Json] = ["x" * 1000] * 9
    faults = find_faults(letters, schema)
    assert len(faults) == 5
    assert all(len(one) < 320 for one in faults)


def test_invalid_schema_is_refused() -> None:
    with pytest.raises(UsageError, match="invalid JSON schema, this: type: 'txt' is not valid"):
        check_schema({"type": "txt"}, "this")
    check_schema(PERSON, "this")


@table("target", ["http://127.0.0.1:1/a.json", "#/$defs/none", "#"])
def test_a_schema_is_looked_for_nowhere_else(target: str) -> None:
    with pytest.raises(UsageError, match="unresolvable or recursive reference"):
        find_faults({}, {"$ref": target})


@table(
    "arguments",
    [
        {},
        {"limit": 9, "ratio": 2, "all": False, "status": "fail", "ids": [], "x-more": 1},
        {"limit": 2.0, "ids": ["x", "y"], "inner": {"x": None, "more": 1}},
    ],
)
def test_valid_value_has_no_fault(arguments: dict[str, Json]) -> None:
    assert find_faults({"path": "a", "it's": 1, **arguments}, ARGUMENTS) == []


@table(
    ("arguments", "faults"),
    [
        ({"path": 3}, ["path must be string, not integer"]),
        ({"path": ""}, ["path must not be empty"]),
        ({"limit": 0}, ["limit must be at least 1, not 0"]),
        ({"limit": 10}, ["limit must be at most 9, not 10"]),
        ({"limit": True}, ["limit must be integer, not boolean"]),
        ({"limit": 1.5}, ["limit must be integer, not number"]),
        ({"ratio": "1"}, ["ratio must be number, not string"]),
        ({"ids": ["x", 1]}, ["ids[1] must be string, not integer"]),
        ({"ids": {}}, ["ids must be array, not object"]),
        ({"inner": {"x": 1}}, ["inner.x must be string or null, not integer"]),
        ({"status": "ok"}, ['status must be one of ["success","fail"], not "ok"']),
        ({"limt": 1}, ["limt is unknown; did you mean limit?"]),
        (
            {"limit": "x", "zzz": 1},
            [
                "zzz is unknown; known names: path, limit, ratio, all, status, ids, inner",
                "limit must be integer, not string",
            ],
        ),
    ],
)
def test_every_fault_of_arguments_is_named(arguments: dict[str, Json], faults: list[str]) -> None:
    assert find_faults({"path": "a", "it's": 1, **arguments}, ARGUMENTS) == faults


def test_each_missing_property_is_named_once() -> None:
    assert find_faults({}, ARGUMENTS) == ["path is missing", "it's is missing"]
    assert find_faults([], ARGUMENTS) == ["the value must be object, not array"]


LETTERS = r"^\p{L}+$"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"


@table("draft", [{}, {"$schema": DRAFT_7}])
def test_patterns_are_those_of_ecmascript_in_linear_time(draft: JsonObject) -> None:
    schema: JsonObject = {
        **draft,
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": LETTERS, "minLength": 2},
            "id": {"pattern": r"^[\u0061-z]$"},
            "inner": {"$ref": "#"},
            "rest": {"unevaluatedProperties": False, "patternProperties": {"^(a+)+$": True}},
        },
        "propertyNames": {"pattern": r"^[\p{L}]"},
        "patternProperties": {"^(X+)+$": {"type": "null"}, "^x-": {"type": "integer"}},
        "additionalProperties": False,
    }
    check_schema(schema, "this")
    assert find_faults({"name": "Zoë", "id": "b", "XX": None, "rest": {"a": 1}}, schema) == []
    wrong: dict[str, Json] = {"name": "1", "id": "A", "x-a": "b", "inner": {"name": 1}}
    places = [one.split(" ")[0] for one in find_faults(wrong, schema)]
    assert places == ["id:", "inner.name", "name:", "name:", "['x-a']"]
    long = "X" * 100 + "!"
    assert "is unknown" in find_faults({long: 1, "rest": {"a" * 100: 1}}, schema)[0]
    assert len(find_faults({"name": long, "rest": {"b": 1}}, schema)) == (1 if draft else 2)


@table("schema", [{"pattern": "(?=a)"}, {"patternProperties": {r"(a)\1": {}}}])
def test_unsupported_pattern_is_refused_or_ignored(schema: JsonObject) -> None:
    with pytest.raises(UsageError, match="without look-around and back references"):
        check_schema(schema, "this")
    assert find_faults("b", schema) == find_faults({"b": 1}, schema) == []


@table("schema", [{"type": "txt"}, {"required": 3}])
def test_invalid_schema_is_described(schema: JsonObject) -> None:
    with pytest.raises(UsageError, match="invalid schema"):
        find_faults({"a": 1} if "required" in schema else "a", schema)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
)


@given(VALUES)
def test_any_value_can_be_validated(value: Json) -> None:
    assert find_faults(value, ARGUMENTS)
    assert find_faults(value, {}) == []
