"""Writes dataclasses as JSON objects, and reads them back by the types of their fields.

`write_record` leaves out a field with its default value; `write_fields` writes all fields. Text,
numbers, JSON values, enums, dates, paths, bytes (as base64), dataclasses, and lists and mappings of
all of these are supported. A list of values is read as a tuple. (pydantic cannot read an alias of a
recursive type such as JSON.)
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum, EnumType
from functools import cache, partial
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin

from attractor.base.errors import AttractorError, NotCanonical, UsageError, suggest
from attractor.base.files import read_file
from attractor.base.json import Json, JsonObject, parse_json

T = TypeVar("T")


def read_object(file: Path, invalid: type[AttractorError]) -> JsonObject:
    """Return the JSON object in a file; raise `invalid` for other content."""
    value = read_json(file, invalid)
    if not isinstance(value, dict):
        raise invalid(f"{file}: not an object")
    return value


def read_json(file: Path, invalid: type[AttractorError]) -> Json:
    """Return the JSON value in a file; raise `invalid` for other content."""
    try:
        return parse_json(read_file(file))
    except NotCanonical as cause:
        raise invalid(f"{file}: {cause.message}") from cause


def write_record(value: object) -> dict[str, Json]:
    """Return the JSON object of a dataclass."""
    record: dict[str, Json] = {}
    for name, default in _defaults_of(type(value)).items():
        member = getattr(value, name)
        if member is not default and not (type(member) is type(default) and member == default):
            record[name] = _write(member)
    return record


def write_fields(value: object, **keys: str) -> dict[str, Json]:
    """Return the JSON object of a dataclass with all fields, in order.

    The keywords rename fields (`is_live="live"`); a field with an empty name is left out.
    """
    return {
        keys.get(name, name): _write(getattr(value, name), write_fields, "to_record")
        for name in _fields_of(type(value))
        if keys.get(name, name)
    }


def read_record(type_: type[T], record: JsonObject) -> T:
    """Return the dataclass of a JSON object, or raise a UsageError."""
    noun = type_.__name__
    known = _fields_of(type_)
    for name in record:
        if name not in known:
            near = suggest(str(name), known)
            hint = f"did you mean {near}?" if near else f"known fields: {', '.join(known)}"
            raise UsageError(f"unknown field {name!r} of {noun}", hint=hint)
    for name, field in known.items():
        is_optional = field.default is not MISSING or field.default_factory is not MISSING
        if name not in record and not is_optional:
            fault = f"missing field {name!r} of {noun}"
            raise UsageError(fault, hint=f"known fields: {', '.join(known)}")
    return type_(
        **{name: _read(known[name].type, one, f"{noun}.{name}") for name, one in record.items()}
    )


def read_fields(type_: type[T], record: JsonObject, *optional: str, **keys: str) -> T:
    """Return the dataclass of an object that `write_fields` wrote with the same keywords.

    The object may have other members. Only `optional` fields, which have a default, may be missing.
    """
    named = {name: keys.get(name, name) for name in _fields_of(type_)}
    for name, key in named.items():
        if key and key not in record and name not in optional:
            raise UsageError(f"missing field {key!r} of {type_.__name__}")
    return read_record(type_, {name: record[key] for name, key in named.items() if key in record})


@cache
def _fields_of(type_: type) -> Mapping[str, Field[Any]]:
    return {field.name: field for field in fields(cast("Any", type_)) if field.init}


@cache
def _defaults_of(type_: type) -> Mapping[str, object]:
    """Return the default of each field, or MISSING."""
    return {
        name: field.default if field.default_factory is MISSING else field.default_factory()
        for name, field in _fields_of(type_).items()
    }


_PLAIN = (str, int, float, bool)

# Types that JSON does not have, as texts.
_TEXTS: Mapping[type, tuple[Callable[[Any], str], Callable[[str], object]]] = {
    bytes: (
        lambda value: base64.b64encode(value).decode("ascii"),
        partial(base64.b64decode, validate=True),
    ),
    datetime: (datetime.isoformat, datetime.fromisoformat),
    Path: (str, Path),
}


def _write(
    value: object, write: Callable[[object], Json] = write_record, own: str = "to_dict"
) -> Json:
    if value is None or type(value) in _PLAIN:
        return cast("Json", value)
    if hasattr(value, own):
        return getattr(value, own)()
    for type_, (to_text, _) in _TEXTS.items():
        if isinstance(value, type_):
            return to_text(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value).items()
        return {key: _write(member, write, own) for key, member in members}
    if isinstance(value, list | tuple):
        return [_write(item, write, own) for item in cast("Sequence[object]", value)]
    return write(value) if is_dataclass(value) else cast("Json", value)


def _read(type_: Any, value: Json, place: str) -> object:
    if type_ in _PLAIN and type(value) is type_:
        return value
    choices = get_args(type_) if _origin(type_) in (Union, UnionType) else (type_,)
    try:
        for choice in choices:
            if _fits(choice, value):
                return _read_as(choice, value, place)
    except ValueError as cause:
        raise UsageError(f"invalid {place}: {cause}") from cause
    names = " or ".join(map(_name, choices))
    raise UsageError(f"invalid {place}: {value!r:.60}", hint=f"pass {names}")


def _name(type_: Any) -> str:
    known: Sequence[object] = list(type_) if isinstance(type_, EnumType) else get_args(type_)
    words = [str(one) for one in known if isinstance(one, str)]
    return ", ".join(words) or str(getattr(type_, "__name__", "null"))


def _fits(type_: Any, value: Json) -> bool:
    """Return whether a JSON value can be a value of a type."""
    origin = _origin(type_)
    if not isinstance(origin, type):
        # A literal type.
        return value in get_args(type_)
    if issubclass(origin, Enum):
        return value in _values_of(origin)
    if origin in (*_TEXTS, str):
        return isinstance(value, str)
    if _is_record(cast("Any", origin)) or issubclass(origin, Mapping):
        return isinstance(value, dict)
    if issubclass(origin, Sequence):
        return isinstance(value, list)
    if origin is float and type(value) is int:
        return True
    return type(value) is origin


@cache
def _values_of(type_: type[Enum]) -> Sequence[object]:
    return [member.value for member in type_]


def _read_as(type_: Any, value: Any, place: str) -> object:
    origin = _origin(type_)
    if _is_record(origin):
        has_own = hasattr(origin, "from_dict")
        return cast("object", origin.from_dict(value) if has_own else read_record(origin, value))
    for text_type, (_, read) in _TEXTS.items():
        if origin is text_type:
            return read(value)
    if origin is float:
        return float(value)
    if isinstance(value, str):
        return origin(value) if isinstance(type_, EnumType) else value
    inner = get_args(type_)
    # JSON is a recursive type: inside itself it is a name.
    is_json = not inner or inner[-1] in (Json, "Json")
    if is_json or not isinstance(value, dict | list):
        return cast("object", value)
    if isinstance(value, dict):
        members = cast("dict[str, Json]", value).items()
        return {key: _read(inner[-1], member, f"{place}.{key}") for key, member in members}
    items = enumerate(cast("list[Json]", value))
    return tuple(_read(inner[0], item, f"{place}[{number}]") for number, item in items)


@cache
def _origin(type_: Any) -> Any:
    return get_origin(type_) or type_


@cache
def _is_record(type_: Any) -> bool:
    return hasattr(type_, "from_dict") or is_dataclass(type_)
