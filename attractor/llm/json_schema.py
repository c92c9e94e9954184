"""Holds a value against a JSON Schema, and says what is wrong in words a model can act on."""

from collections.abc import Sequence
from typing import Any, cast

from jsonschema import SchemaError, ValidationError
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from attractor.base.canonical import Json, JsonObject
from attractor.base.errors import UsageError

_MOST_FAULTS = 5
_LONGEST_FAULT = 300
# Schemas are not looked for elsewhere: a schema that is handed in may come from anybody.
_NOWHERE = cast("Any", Registry)()


def check_schema(schema: JsonObject, noun: str) -> None:
    """Refuse what is no JSON Schema."""
    try:
        _kind(schema).check_schema(dict(schema))
    except SchemaError as fault:
        raise UsageError(
            f"{noun} is no JSON Schema: {_words(fault)}", hint="see https://json-schema.org"
        ) from None


def find_faults(value: Json | JsonObject, schema: JsonObject) -> Sequence[str]:
    """Return what is wrong with a value; nothing when it is as its schema wants it."""
    validator = _kind(schema)(dict(schema), registry=_NOWHERE)
    try:
        found = sorted(validator.iter_errors(value), key=lambda fault: fault.json_path)
    except (Unresolvable, RecursionError) as cause:
        raise UsageError(
            f"the schema refers to what it does not hold, or to itself: {cause}",
            hint='write what "$ref" names below "$defs" of the same schema',
        ) from cause
    return [_words(fault) for fault in found[:_MOST_FAULTS]]


def _kind(schema: JsonObject) -> Any:
    return cast("Any", validator_for)(dict(schema), default=Draft202012Validator)


def _words(fault: ValidationError | SchemaError) -> str:
    place = fault.json_path.removeprefix("$").removeprefix(".")
    told = fault.message
    if len(told) > _LONGEST_FAULT:
        told = f"{told[:_LONGEST_FAULT]}…"
    return f"{place}: {told}" if place else told
