"""The schema of the settings, and its reference text."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import NoneType
from typing import Annotated, Any, Never, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from attractor.base.dataclasses import dataclass
from attractor.base.toml import KeyPath, dotted, shown_value
from attractor.config.sections import Section
from attractor.config.tables import Shape, model_of
from attractor.config.user_folders import variable_name

FREE_KEY = "NAME"
"""Placeholder in the documentation for a key that the user chooses."""


@dataclass(frozen=True)
class Leaf:
    """A value at a leaf of a model; the shape of an unknown key is Never."""

    path: KeyPath
    shape: object
    value: object


@dataclass(frozen=True)
class Slot:
    """A leaf of a model, with or without a value."""

    path: KeyPath
    shape: object
    field: FieldInfo


def leaves(shape: object, value: object, path: KeyPath = ()) -> Iterator[Leaf]:
    """Yield every leaf of a nested value in order; an empty inner table is a leaf, too."""
    table = _table(value) if is_table(shape) else None
    if table:
        for key, inner in table.items():
            yield from leaves(child(shape, key), inner, (*path, str(key)))
    elif path:
        yield Leaf(path, shape, value)


def slots(model: type[Shape], path: KeyPath = ()) -> Iterator[Slot]:
    """Yield every leaf of a model in order."""
    for name, field in model_of(model).model_fields.items():
        yield from _slots(child(model, name), (*path, name), field)


def default_values(model: type[Shape]) -> dict[str, object]:
    """Return the defaults of a model's fields, without required fields."""
    defaults = {
        name: cast(object, field.get_default(call_default_factory=True, validated_data={}))
        for name, field in model_of(model).model_fields.items()
    }
    return {name: value for name, value in defaults.items() if value is not PydanticUndefined}


def is_table(shape: object) -> bool:
    """Return whether a shape is a section or a table with free keys."""
    return _section(shape) is not None or _is_free(shape)


def child(shape: object, key: str | int) -> object:
    """Return the shape at a key or index of a shape, or Never."""
    plain = _plain(shape)
    section = _section(plain)
    if section is not None:
        return _fields(section).get(str(key), Never)
    arguments = get_args(plain)
    if _is_free(plain):
        return arguments[1]
    is_sequence = _is_kind(plain, Sequence) and isinstance(key, int)
    return arguments[0] if is_sequence else Never


def keys_at(shape: object, path: KeyPath) -> tuple[str, ...]:
    """Return the keys of a section; none for leaves and tables with free keys."""
    for key in path:
        shape = child(shape, key)
    section = _section(_plain(shape))
    fields = section.model_fields.items() if section else ()
    return tuple(field.alias or name for name, field in fields)


def _slots(shape: object, path: KeyPath, field: FieldInfo) -> Iterator[Slot]:
    section = _section(shape)
    if section is not None:
        yield from slots(section, path)
    elif _is_free(shape):
        yield from _slots(child(shape, FREE_KEY), (*path, FREE_KEY), field)
    else:
        yield Slot(path, shape, field)


@cache
def _fields(section: type[BaseModel]) -> Mapping[str, object]:
    """Return the shape of each key; making one takes longer than reading its value."""
    fields = section.model_fields.items()
    return {one.alias or name: Annotated[one.annotation, one] for name, one in fields}


def _table(value: object) -> Mapping[str, object] | None:
    if isinstance(value, BaseModel):
        return dict(value)
    if isinstance(value, Section):
        return vars(value)
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else None


def _section(shape: object) -> type[BaseModel] | None:
    bare = _bare(shape)
    if isinstance(bare, type) and issubclass(bare, BaseModel | Section):
        return model_of(bare)
    return None


def _is_free(shape: object) -> bool:
    return _is_kind(_bare(shape), Mapping)


def _is_kind(shape: object, kind: type) -> bool:
    origin = get_origin(shape)
    return isinstance(origin, type) and issubclass(origin, kind)


def _bare(shape: object) -> object:
    return get_args(shape)[0] if get_origin(shape) is Annotated else shape


def _plain(shape: object) -> object:
    """Strip annotations and `| None` from a shape."""
    bare = _bare(shape)
    members = [one for one in get_args(bare) if one is not NoneType]
    return _bare(members[0]) if NoneType in get_args(bare) and len(members) == 1 else bare


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


def list_settings(model: type[Shape]) -> tuple[SettingReference, ...]:
    """Return every setting of a model, in order."""
    defaults = {leaf.path: leaf.value for leaf in leaves(model, default_values(model))}
    settings: list[SettingReference] = []
    for slot in slots(model):
        schema = TypeAdapter(cast(type[object], slot.shape)).json_schema()
        settings.append(
            SettingReference(
                key=dotted(slot.path),
                kind=_kind_words(schema, schema.get("$defs", {})),
                default=_default_words(slot, defaults),
                variable=variable_name(slot.path),
                description=slot.field.description or "",
            )
        )
    return tuple(settings)


def _default_words(slot: Slot, defaults: Mapping[KeyPath, object]) -> str:
    """Return the default; a computed default is described by the docstring of its factory."""
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
        return " or ".join(_kind_words(member, definitions) for member in members)
    if "enum" in schema:
        *others, last = map(str, schema["enum"])
        return f"{', '.join(others)} or {last}" if others else last
    if schema.get("type") == "array":
        return f"list of {_kind_words(schema.get('items', {}), definitions)}"
    if "const" in schema:
        return str(schema["const"])
    kind: str = schema.get("format") or schema.get("type", "any")
    limits = (f", {words} {schema[key]}" for key, words in _LIMITS.items() if key in schema)
    return _KINDS.get(kind, kind) + "".join(limits)
