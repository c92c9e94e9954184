"""Lists all settings for the documentation."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter

from attractor.base.dataclasses import dataclass
from attractor.base.toml import KeyPath, dotted
from attractor.base.toml_errors import shown_value
from attractor.config.schema import Slot, default_values, leaves, slots
from attractor.config.user_folders import variable_name

JsonSchema = Mapping[str, Any]

_KINDS = {
    "any": "anything",
    "boolean": "true or false",
    "integer": "whole number",
    "object": "table",
    "password": "text that is never shown",
    "string": "text",
}
_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


@dataclass(frozen=True)
class SettingReference:
    """Documentation of one setting."""

    key: str
    kind: str
    default: str
    variable: str
    description: str


def list_settings(model: type[BaseModel]) -> tuple[SettingReference, ...]:
    """Return every setting of a model, in order."""
    defaults = {leaf.path: leaf.value for leaf in leaves(model, default_values(model))}
    return tuple(_described(slot, defaults) for slot in slots(model))


def _described(slot: Slot, defaults: Mapping[KeyPath, object]) -> SettingReference:
    schema = TypeAdapter(cast(type[object], slot.shape)).json_schema()
    return SettingReference(
        key=dotted(slot.path),
        kind=_kind_words(schema, schema.get("$defs", {})),
        default=_default_words(slot, defaults),
        variable=variable_name(slot.path),
        description=slot.field.description or "",
    )


def _default_words(slot: Slot, defaults: Mapping[KeyPath, object]) -> str:
    """Return the default; a computed one is described by the docstring of its factory."""
    factory = slot.field.default_factory
    words = inspect.getdoc(factory) if inspect.isfunction(factory) else None
    if words:
        return words.partition("\n")[0].rstrip(".")
    return shown_value(defaults[slot.path]) if slot.path in defaults else "none"


def _kind_words(schema: JsonSchema, definitions: Mapping[str, JsonSchema]) -> str:
    if "$ref" in schema:
        return _kind_words(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        members = (one for one in schema["anyOf"] if one.get("type") != "null")
        return " or ".join(_kind_words(one, definitions) for one in members)
    if "enum" in schema:
        return _one_of(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind_words(schema.get('items', {}), definitions)}"
    return _plain_words(schema)


def _plain_words(schema: JsonSchema) -> str:
    if "const" in schema:
        return str(schema["const"])
    kind: str = schema.get("format") or schema.get("type", "any")
    limits = (f", {words} {schema[key]}" for key, words in _LIMITS.items() if key in schema)
    return _KINDS.get(kind, kind) + "".join(limits)


def _one_of(choices: Sequence[object]) -> str:
    *others, last = (str(one) for one in choices)
    return f"{', '.join(others)} or {last}" if others else last
