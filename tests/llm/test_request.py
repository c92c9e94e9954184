""""""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.base.json import JsonObject
from attractor.llm import (
    ConfigurationError,
    Message,
    Request,
    ResponseFormat,
    ToolCall,
    ToolCallData,
    ToolChoice,
)
from attractor.llm.request import ToolDefinition, format_instruction, merge_options
from tests.llm.generated import PERSON
from tests.tables import table

OBJECT = {"type": "object"}


@table("name", ["", "1a", "_a", "a-b", "a b", "x" * 65, "é", "a\n"])
def test_a_name_some_provider_refuses_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="tool name"):
        ToolDefinition(name, "", OBJECT)


def test_parameters_are_an_object() -> None:
    with pytest.raises(UsageError, match="not of type object"):
        ToolDefinition("a", "", {"type": "string"})


@table(("mode", "name"), [("some", None), ("named", None), ("auto", "a")])
def test_an_impossible_tool_choice_is_refused(mode: str, name: str | None) -> None:
    with pytest.raises(UsageError, match="tool choice"):
        ToolChoice(mode, name)


@table("text", ['{"command": "l', "[]", "null", '{"a": NaN}', "{}{}"])
def test_arguments_that_are_not_an_object_are_a_fault(text: str) -> None:
    call = ToolCall.from_data(ToolCallData("1", "shell", text))
    assert (call.arguments, call.raw_arguments) == ({}, text)
    assert "the arguments of 'shell' are" in str(call.fault)


@given(st.text())
def test_no_text_of_arguments_breaks_anything(text: str) -> None:
    call = ToolCall.from_data(ToolCallData("1", "shell", text))
    assert call.raw_arguments == text


SHELL = ToolDefinition("shell", "Run a command.", {"type": "object"})


def test_optional_fields_may_be_none() -> None:
    names = ("tools", "stop_sequences", "metadata", "provider_options", "provider", "max_tokens")
    nothing: dict[str, Any] = dict.fromkeys(names)
    said = [Message.user("hi")]
    assert Request("any", said, **nothing) == Request("any", said)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="duplicate tool 'shell'"):
        Request("any", [Message.user("hi")], tools=[SHELL, SHELL])


def test_an_impossible_format_is_refused() -> None:
    for kind, schema, message in (
        ("yaml", None, "unknown response format 'yaml'"),
        ("json_schema", None, "missing json_schema"),
        ("json", PERSON, "unexpected json_schema"),
        ("json_schema", {"type": "array"}, "not of type object"),
    ):
        with pytest.raises(UsageError, match=message):
            ResponseFormat(kind, schema)


def test_format_instruction_contains_the_schema() -> None:
    assert format_instruction(None) == format_instruction(ResponseFormat("text")) == ""
    assert format_instruction(ResponseFormat("json")).startswith("Answer with one JSON object")
    asked = format_instruction(ResponseFormat("json_schema", PERSON))
    assert '"required": ["name", "age"]' in asked


BODY: JsonObject = {
    "model": "m",
    "tools": [1],
    "reasoning": {"effort": "low", "deep": {"a": 1}},
    "n": 1,
}


def test_objects_and_lists_grow_and_all_else_is_replaced() -> None:
    given: JsonObject = {
        "tools": [2],
        "reasoning": {"summary": "auto", "deep": {"b": 2}},
        "n": None,
        "new": [],
    }
    assert merge_options(BODY, given) == {
        "model": "m",
        "tools": [1, 2],
        "reasoning": {"effort": "low", "summary": "auto", "deep": {"a": 1, "b": 2}},
        "n": None,
        "new": [],
    }
    assert BODY["tools"] == [1]


def test_another_sort_of_value_replaces_ours() -> None:
    assert merge_options(BODY, {"tools": "none"})["tools"] == "none"
