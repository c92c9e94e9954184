"""Writes tools, the choice among them, and schemas, as Gemini takes them (7.4, 5.3)."""

from collections.abc import Iterator, Sequence

from attractor.base.json import Json, JsonObject
from attractor.llm.tools import ToolChoice, ToolDefinition

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}
# What the provider's own kind of schema has of JSON Schema; anything else it refuses there.
_PLAIN = frozenset(
    {
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
        "default",
        "minimum",
        "maximum",
    }
)
# What a schema can say without allowing any parameter, and which of it may allow some.
_ALLOWING = ("properties", "additionalProperties")
_BARE = frozenset({"type", "title", "description", "required", *_ALLOWING})


def write_tools(tools: Sequence[ToolDefinition]) -> Json:
    """Return the declarations of some tools, as one tool of Gemini's."""
    return [{"functionDeclarations": [_declaration(one) for one in tools]}]


def write_choice(choice: ToolChoice) -> Json:
    """Return the setting for a tool choice."""
    named: dict[str, Json] = (
        {"allowedFunctionNames": [choice.tool_name]} if choice.tool_name else {}
    )
    return {"functionCallingConfig": {"mode": _MODES[choice.mode], **named}}


def write_schema(schema: JsonObject) -> dict[str, Json]:
    """Return the setting for the schema of an answer, in the provider's own kind if that does."""
    return {"responseSchema" if _is_plain(dict(schema)) else "responseJsonSchema": dict(schema)}


def _declaration(tool: ToolDefinition) -> Json:
    return {"name": tool.name, "description": tool.description, **_parameters(tool.parameters)}


def _parameters(schema: JsonObject) -> dict[str, Json]:
    """Write a schema in the provider's own kind where that will do, else as JSON Schema."""
    if schema.keys() <= _BARE and not any(map(schema.get, _ALLOWING)):
        # An object without properties is refused; a tool without parameters is not.
        return {}
    key = "parameters" if _is_plain(dict(schema)) else "parametersJsonSchema"
    return {key: dict(schema)}


def _is_plain(schema: Json) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _PLAIN:
        return False
    if not isinstance(schema.get("type", ""), str) or not _has_texts(schema.get("enum", [])):
        return False
    # An empty object is refused however deep it stands.
    is_empty = schema.get("type") == "object" and not schema.get("properties")
    return not is_empty and all(map(_is_plain, _inner(schema)))


def _has_texts(values: Json) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)


def _inner(schema: dict[str, Json]) -> Iterator[Json]:
    properties, others = schema.get("properties", {}), schema.get("anyOf", [])
    yield from properties.values() if isinstance(properties, dict) else [properties]
    yield from others if isinstance(others, list) else [others]
    if "items" in schema:
        yield schema["items"]
