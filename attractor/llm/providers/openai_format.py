"""Writes the form of an answer as OpenAI takes it, and whoever speaks as OpenAI does (4.5).

Held to a schema is a model only where every object of the schema is closed and has no optional
properties, and where no other words than these are in it.
"""

from collections.abc import Iterator

from attractor.base.json import Json, JsonObject
from attractor.llm.response_format import ResponseFormat

NOT_EVERYWHERE_HELD = (
    "the schema has optional or open parts, so not every server holds the model to it"
)
"""What is to be told where some take a schema that `held_to_schema` says others refuse."""

_NAME = "answer"
_TAKEN = frozenset(
    {
        "type",
        "title",
        "description",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "$ref",
        "$defs",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    }
)


def write_format(wanted: ResponseFormat | None) -> Json:
    """Return the setting for a form, None where nobody asked for one."""
    if wanted is None:
        return None
    if wanted.json_schema is None:
        return {"format": {"type": "json_object" if wanted.type == "json" else "text"}}
    return {"format": {"type": "json_schema", **name_schema(wanted, wanted.json_schema)}}


def name_schema(wanted: ResponseFormat, given: JsonObject) -> dict[str, Json]:
    """Return a schema with its name, and whether a model is to be held to it."""
    strict = wanted.strict and held_to_schema(wanted)
    schema = _closed(dict(given)) if strict else dict(given)
    return {"name": _NAME, "schema": schema, "strict": strict}


def held_to_schema(wanted: ResponseFormat) -> bool:
    """Say whether the provider can hold a model to the schema."""
    schema = wanted.json_schema
    return schema is not None and "anyOf" not in schema and _can_be_held(dict(schema))


def _can_be_held(schema: Json) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _TAKEN:
        return False
    if _is_object(schema) and not _is_fixed(schema):
        return False
    return all(_can_be_held(one) for one in _inner(schema))


def _is_fixed(schema: JsonObject) -> bool:
    """Say whether an object has the same properties always: none may be left out or be added."""
    known = _object(schema.get("properties"))
    # Where none is named, any may be meant.
    is_closed = schema.get("additionalProperties", not known) is False
    return is_closed and set(known) == set(_texts(schema.get("required")))


def _closed(schema: Json) -> Json:
    """Close every object: what has no further properties is as the schema wants it in any case."""
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    for key in ("properties", "$defs"):
        if key in closed:
            closed[key] = {name: _closed(one) for name, one in _object(closed[key]).items()}
    if "items" in closed:
        closed["items"] = _closed(closed["items"])
    if "anyOf" in closed:
        closed["anyOf"] = [_closed(one) for one in _list(closed["anyOf"])]
    return closed | {"additionalProperties": False} if _is_object(closed) else closed


def _inner(schema: JsonObject) -> Iterator[Json]:
    for key in ("properties", "$defs"):
        yield from _object(schema.get(key)).values()
    yield from _list(schema.get("anyOf"))
    if "items" in schema:
        yield schema["items"]


def _is_object(schema: JsonObject) -> bool:
    kind = schema.get("type")
    return kind == "object" or "properties" in schema or "object" in _list(kind)


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _texts(value: Json) -> list[str]:
    return [one for one in _list(value) if isinstance(one, str)]
