import pytest

from attractor.base.errors import UsageError
from attractor.base.json import JsonObject
from attractor.llm import ResponseFormat
from attractor.llm.response_format import format_in_words
from tests.llm.generated import PERSON


@pytest.mark.parametrize(
    ("kind", "schema", "told"),
    [
        ("yaml", None, "no response format 'yaml'"),
        ("json_schema", None, "has no schema"),
        ("json", PERSON, "has a schema"),
        ("json_schema", {"type": "array"}, "not one of an object"),
    ],
)
def test_an_impossible_format_is_refused(kind: str, schema: JsonObject | None, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        ResponseFormat(kind, schema)


def test_words_ask_for_the_format_and_hold_the_schema() -> None:
    assert format_in_words(None) == format_in_words(ResponseFormat("text")) == ""
    assert format_in_words(ResponseFormat("json")).startswith("Answer with one JSON object")
    asked = format_in_words(ResponseFormat("json_schema", PERSON))
    assert '"required": ["name", "age"]' in asked
