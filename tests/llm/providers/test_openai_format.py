from typing import Any

import pytest

from attractor.llm import ResponseFormat
from attractor.llm.providers.openai_format import write_format

TEXT: Any = {"type": "string"}
CLOSED: Any = {"additionalProperties": False}


def an_object(required: list[str] | None = None, **properties: Any) -> Any:
    needed = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": needed}


def sent(schema: Any, *, strict: bool = True) -> Any:
    written: Any = write_format(ResponseFormat("json_schema", schema, strict))
    assert (written["format"]["type"], written["format"]["name"]) == ("json_schema", "answer")
    return written["format"]["schema"], written["format"]["strict"]


def test_words_and_json_without_a_schema() -> None:
    assert write_format(None) is None
    assert write_format(ResponseFormat("text")) == {"format": {"type": "text"}}
    assert write_format(ResponseFormat("json")) == {"format": {"type": "json_object"}}


def test_a_model_is_held_to_a_schema_whose_objects_are_closed() -> None:
    inner = an_object(b=TEXT)
    listed = {"type": "array", "items": inner}
    schema = {**an_object(a=listed, c={"anyOf": [inner, TEXT]}, d={"$ref": "#/$defs/e"})}
    schema["$defs"] = {"e": inner}
    closed = {**inner, **CLOSED}
    assert sent(schema) == (
        {
            **an_object(
                a={**listed, "items": closed}, c={"anyOf": [closed, TEXT]}, d={"$ref": "#/$defs/e"}
            ),
            **CLOSED,
            "$defs": {"e": closed},
        },
        True,
    )
    assert "additionalProperties" not in schema


@pytest.mark.parametrize(
    "schema",
    [
        an_object(["a"], a=TEXT, b=TEXT),
        {**an_object(a=TEXT), "additionalProperties": True},
        an_object(a={"type": "object"}),
        an_object(a={**TEXT, "minLength": 1}),
        an_object(a={"type": ["object", "null"], "properties": {"b": TEXT}}),
        an_object(a={"type": "array", "items": {"oneOf": [TEXT]}}),
        an_object(a=True),
        {**an_object(a=TEXT), "anyOf": [TEXT]},
        {"type": "object"},
    ],
)
def test_any_other_schema_is_sent_as_it_is_and_holds_nobody(schema: Any) -> None:
    assert sent(schema) == (schema, False)


def test_who_does_not_want_it_strict_gets_the_schema_as_it_is() -> None:
    schema = an_object(a=TEXT)
    assert sent(schema, strict=False) == (schema, False)


def test_an_object_that_is_always_empty_can_be_held() -> None:
    schema = an_object(a={"type": "object", **CLOSED})
    assert sent(schema) == ({**schema, **CLOSED}, True)
