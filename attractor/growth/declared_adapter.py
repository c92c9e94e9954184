"""Adapters: those that are shipped, and those that a specification declares.

A source with operations is a service. Its declaration has no host, which only the settings name;
its paths do not leave their URL, and its inputs have no member that a schema does not name.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import combinations
from string import Formatter
from typing import Any, cast

from attractor.base.errors import NotCanonical
from attractor.base.json import JsonObject, parse_json
from attractor.base.registry import Registry
from attractor.growth.errors import InvalidSpec
from attractor.growth.http_client import Operation
from attractor.growth.plain_text import require_plain

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MOST_OPERATIONS = 20
MOST_CHARACTERS = 64_000
"""The length of all texts of an adapter together."""

MOST_MINIMUM = 1_000
"""The largest `minLength`, of which a drafted twin makes a text."""

_DEEPEST = 8
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PATH = re.compile(r"(/(\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z0-9_~-][A-Za-z0-9._~:-]*))+")
_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ANY_OBJECT = '{"type": "object"}'

_KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items",),
    "string": ("minLength",),
    "integer": (),
    "number": (),
    "boolean": (),
}
"""The keywords of JSON Schema that the client of adapters checks, by type."""


@cache
def adapters() -> Registry[dict[str, Operation]]:
    """Return the operations of all shipped adapters by name."""
    return Registry("attractor.growth.adapters", dict, noun="adapter")  # pyright: ignore


def read_adapter(name: str, operations: Mapping[str, JsonObject]) -> dict[str, Operation]:
    """Return the operations of a declared adapter by name, or raise InvalidSpec.

    `operations` has the fields of the node of each operation, by its id.
    """
    _check_limits(name, operations)
    found: dict[str, Operation] = {}
    for id_, fields in operations.items():
        owner, _, operation = id_.partition(".")
        if owner != name or not operation:
            raise InvalidSpec(f"{id_}: invalid id of an operation", hint=f"write {name}.NAME")
        found[operation] = _read_operation(id_, fields)
    for (one, first), (other, second) in combinations(found.items(), 2):
        if first.method == second.method and _overlap(first.path, second.path):
            fault = f"{name}.{other}: answers the same requests as {name}.{one}"
            raise InvalidSpec(fault, hint="give it another path or method")
    return found


def _check_limits(name: str, operations: Mapping[str, JsonObject]) -> None:
    if not _NAME.fullmatch(name) or name == "http_client" or name.startswith("attractor"):
        raise InvalidSpec(f"{name}: invalid name of a service", hint="choose another name")
    if name in adapters():
        fault = f"{name}: the shipped adapter has its own operations"
        raise InvalidSpec(fault, hint="leave out the operations, or choose another name")
    if len(operations) > MOST_OPERATIONS:
        fault = f"{name}: {len(operations)} operations; the limit is {MOST_OPERATIONS}"
        raise InvalidSpec(fault, hint="leave out what no step calls")
    size = sum(len(str(value)) for fields in operations.values() for value in fields.values())
    if size > MOST_CHARACTERS:
        fault = f"{name}: the operations have {size} characters; the limit is {MOST_CHARACTERS}"
        raise InvalidSpec(fault, hint="leave out members that no step needs")


def _overlap(path: str, other: str) -> bool:
    """Return whether some request fits both paths."""
    segments, others = path.split("/"), other.split("/")
    return len(segments) == len(others) and all(
        one == two or one.startswith("{") or two.startswith("{")
        for one, two in zip(segments, others, strict=True)
    )


def _read_operation(place: str, fields: JsonObject) -> Operation:
    method, path = fields.get("method"), fields.get("path")
    if method not in METHODS:
        raise InvalidSpec(f"{place}: invalid method {method!r}", hint=f"use {', '.join(METHODS)}")
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        hint = "write /SEGMENT/{name}: the host is in the settings, and a query is in the input"
        raise InvalidSpec(f"{place}: invalid path {path!r}", hint=hint)
    given = _read_schema(f"{place}: input", fields.get("input", _ANY_OBJECT))
    if given["type"] != "object":
        raise InvalidSpec(f"{place}: input: not an object", hint=f"write {_ANY_OBJECT}")
    # Otherwise a body could send members that nobody reviewed.
    given = {**given, "properties": given.get("properties", {}), "additionalProperties": False}
    _check_texts(place, str(method), path, given)
    output = _read_schema(f"{place}: output", fields.get("output", _ANY_OBJECT))
    return Operation(str(method), path, given, output)


def _check_texts(place: str, method: str, path: str, given: Mapping[str, Any]) -> None:
    """Raise InvalidSpec unless all members of path and query are texts; the path needs its own."""
    in_path = [key for _, key, _, _ in Formatter().parse(path) if key is not None]
    for key in in_path:
        if in_path.count(key) > 1 or key not in given.get("required", ()):
            fault = f"{place}: the path needs {key!r} once, as a required member of the input"
            raise InvalidSpec(fault, hint='add it to "required" and "properties"')
    for key, schema in given["properties"].items():
        if (key in in_path or method == "GET") and schema["type"] != "string":
            where = "path" if key in in_path else "query of a GET"
            fault = f"{place}: input: {key!r} is in the {where}, and not a string"
            raise InvalidSpec(fault, hint='write {"type": "string"}')


def _read_schema(place: str, text: object) -> dict[str, Any]:
    try:
        schema = parse_json(text) if isinstance(text, str) else None
    except NotCanonical as cause:
        hint = "write a JSON Schema as JSON in single quotes"
        raise InvalidSpec(f"{place}: {cause.message}", hint=hint) from cause
    _check_schema(place, schema)
    # An escape in the JSON is plain, and hides a character from people but not from a model.
    require_plain(json.dumps(schema, ensure_ascii=False), place, InvalidSpec)
    return cast("dict[str, Any]", schema)


def _check_schema(place: str, value: object, depth: int = 0) -> None:
    """Raise InvalidSpec unless a value is a JSON Schema with no other keyword than known ones."""
    schema = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if depth == _DEEPEST:
        raise InvalidSpec(f"{place}: nested too deeply", hint=f"use at most {_DEEPEST} levels")
    _check_keywords(place, schema)
    members = schema.get("properties", {})
    for name in (*members, *schema.get("required", ())):
        if name not in members or not _MEMBER.fullmatch(name):
            fault = f"{place}: invalid member {name!r}"
            raise InvalidSpec(fault, hint='name it in "properties", with letters, digits, - . _')
    for name, member in members.items():
        _check_schema(f"{place}.{name}", member, depth + 1)
    if "items" in schema:
        _check_schema(f"{place}[]", schema["items"], depth + 1)


def _check_keywords(place: str, schema: Mapping[str, Any]) -> None:
    type_ = schema.get("type")
    if not isinstance(type_, str) or type_ not in _KEYWORDS:
        hint = f'"type" is one of {", ".join(_KEYWORDS)}'
        raise InvalidSpec(f"{place}: not a JSON Schema with a type", hint=hint)
    known = ("type", "description", *_KEYWORDS[type_])
    for keyword in schema:
        if keyword not in known:
            fault = f"{place}: unsupported keyword {keyword!r} of a schema of type {type_}"
            raise InvalidSpec(fault, hint=f"keywords: {', '.join(known)}")
    for keyword, is_valid in _VALUES.items():
        if keyword in schema and not is_valid(schema[keyword]):
            raise InvalidSpec(f"{place}: invalid {keyword}", hint="see json-schema.org")


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, str) for one in cast("list[object]", value)
    )


_VALUES: Mapping[str, Callable[[object], bool]] = {
    "description": lambda value: isinstance(value, str),
    "properties": lambda value: isinstance(value, dict),
    "required": _are_texts,
    "additionalProperties": lambda value: isinstance(value, bool),
    "minLength": lambda value: isinstance(value, int) and value in range(MOST_MINIMUM + 1),
}
