import pytest

from attractor.base.canonical import Json, JsonObject
from attractor.base.errors import UsageError
from attractor.llm.json_schema import check_schema, find_faults
from tests.llm.generated import PERSON


def test_what_is_as_the_schema_wants_it_has_no_faults() -> None:
    assert find_faults({"name": "Alice", "age": 30}, PERSON) == []


def test_each_fault_says_where_and_what() -> None:
    schema: JsonObject = {"type": "object", "properties": {"all": {"items": {"type": "integer"}}}}
    assert find_faults({"all": [1, "2"]}, schema) == ["all[1]: '2' is not of type 'integer'"]
    assert find_faults({"name": "Alice"}, PERSON) == ["'age' is a required property"]


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        ({"properties": {"a": {"anyOf": [{"const": 1}, {"pattern": "^x"}]}}}, "y"),
        ({"$defs": {"n": {"type": "null"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}, 1),
        ({"properties": {"a": {"uniqueItems": True}}}, [1, 1]),
    ],
)
def test_every_word_of_json_schema_counts(schema: JsonObject, wrong: Json) -> None:
    assert find_faults({"a": wrong}, schema)


def test_of_many_and_long_faults_the_first_are_told() -> None:
    schema: JsonObject = {"items": {"type": "integer"}}
    letters: list[Json] = ["x" * 1000] * 9
    faults = find_faults(letters, schema)
    assert len(faults) == 5
    assert all(len(one) < 320 for one in faults)


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(UsageError, match="this is no JSON Schema: type: 'txt' is not valid"):
        check_schema({"type": "txt"}, "this")
    check_schema(PERSON, "this")


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/a.json", "#/$defs/none", "#"])
def test_a_schema_is_looked_for_nowhere_else(target: str) -> None:
    with pytest.raises(UsageError, match="refers to what it does not hold"):
        find_faults({}, {"$ref": target})
