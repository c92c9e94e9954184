from typing import Any

import pytest

from attractor.llm import ToolChoice, ToolDefinition
from attractor.llm.providers.gemini_tools import write_choice, write_schema, write_tools
from tests.llm.asking import SHELL


def declared(**schema: Any) -> dict[str, Any]:
    """Return what is declared of a tool's parameters."""
    tools: Any = write_tools([ToolDefinition("t", "d", {"type": "object", **schema})])
    ((declaration,),) = [one["functionDeclarations"] for one in tools]
    assert (declaration.pop("name"), declaration.pop("description")) == ("t", "d")
    return declaration


def test_all_functions_are_declared_in_one_tool() -> None:
    other = ToolDefinition("now", "Tell the time.", {"type": "object", "properties": {}})
    assert write_tools([SHELL, other]) == [
        {
            "functionDeclarations": [
                {"name": "shell", "description": "Run a command.", "parameters": SHELL.parameters},
                {"name": "now", "description": "Tell the time."},
            ]
        }
    ]


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "string", "enum": ["a", "b"], "description": "x"},
        {"type": "array", "items": {"type": "integer", "minimum": 1}},
        {"type": "object", "properties": {"b": {"type": "number", "nullable": True}}},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    ],
)
def test_a_plain_schema_is_written_in_the_providers_own_kind(inner: dict[str, Any]) -> None:
    assert list(declared(properties={"a": inner})) == ["parameters"]


OTHERS: list[Any] = [
    {"type": ["string", "null"]},
    {"const": 1},
    {"type": "integer", "enum": [1, 2]},
    {"type": "object"},
    {"type": "array", "items": {"$ref": "#/$defs/x"}},
    {"anyOf": [{"type": "object", "properties": {"b": {"oneOf": []}}}]},
    True,
]


@pytest.mark.parametrize("inner", OTHERS)
def test_any_other_schema_is_written_as_json_schema(inner: Any) -> None:
    properties = {"a": inner}
    assert declared(properties=properties) == {
        "parametersJsonSchema": {"type": "object", "properties": properties}
    }


def test_what_the_providers_own_kind_does_not_know_at_the_root_is_not_lost() -> None:
    closed = {"properties": {"a": {"type": "string"}}, "additionalProperties": False}
    assert declared(**closed) == {"parametersJsonSchema": {"type": "object", **closed}}
    free = {"additionalProperties": {"type": "string"}}
    assert declared(**free) == {"parametersJsonSchema": {"type": "object", **free}}


@pytest.mark.parametrize("schema", [{}, {"properties": {}, "additionalProperties": False}])
def test_a_tool_without_parameters_has_none(schema: dict[str, Any]) -> None:
    assert declared(**schema) == {}


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("named", "shell"), {"mode": "ANY", "allowedFunctionNames": ["shell"]}),
    ],
)
def test_each_choice_is_a_mode(choice: ToolChoice, config: dict[str, Any]) -> None:
    assert write_choice(choice) == {"functionCallingConfig": config}


@pytest.mark.parametrize(
    ("schema", "key"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, "responseSchema"),
        ({"type": "object", "properties": {"a": {"const": 1}}}, "responseJsonSchema"),
        ({"type": "object"}, "responseJsonSchema"),
    ],
)
def test_the_schema_of_an_answer_is_written_in_the_kind_that_has_its_words(
    schema: dict[str, Any], key: str
) -> None:
    assert write_schema(schema) == {key: schema}
