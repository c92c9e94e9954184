"""Holds a value against a JSON Schema, and says what is wrong in words a model can act on."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, cast

from jsonschema import FormatChecker, SchemaError, ValidationError, validators
from jsonschema.exceptions import UnknownType
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from attractor.base.errors import suggest
from attractor.base.json import Json, JsonObject, canonical_json
from attractor.llm.errors import ConfigurationError

_MOST_FAULTS = 5
_LONGEST_FAULT = 300
# Schemas are not looked for elsewhere: a schema that is handed in may come from anybody.
_NOWHERE = cast("Any", Registry)()
# The patterns of a schema are ECMAScript's, such as `^\p{L}+$`, and Python's `re` does not know all
# of them. What it cannot read may be right: it is not refused, and nothing is held against it.
_ON_PATTERNS = ("pattern", "patternProperties", "additionalProperties", "unevaluatedProperties")
_FORMATS = FormatChecker({*FormatChecker.checkers} - {"regex"})
_Judge = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]
_TYPE_NAMES: Sequence[tuple[type, str]] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (Mapping, "object"),
)


def check_schema(schema: JsonObject, noun: str) -> None:
    """Refuse what is no JSON Schema."""
    try:
        _kind(schema).check_schema(dict(schema), format_checker=_FORMATS)
    except SchemaError as fault:
        raise ConfigurationError(
            f"{noun} is no JSON Schema: {_shortened(_told(fault, fault.message))}",
            hint="see https://json-schema.org",
        ) from None


def find_faults(value: Json | JsonObject, schema: JsonObject) -> Sequence[str]:
    """Return what is wrong with a value; nothing when it is as its schema wants it."""
    # Without its own kind, which would be asked again wherever the schema refers to its root.
    plain = {name: one for name, one in schema.items() if name != "$schema"}
    validator = _lenient(_kind(schema))(plain, registry=_NOWHERE)
    try:
        found = sorted(validator.iter_errors(value), key=lambda fault: fault.json_path)
    except (Unresolvable, RecursionError) as cause:
        raise ConfigurationError(
            f"the schema refers to what it does not hold, or to itself: {cause}",
            hint='write what "$ref" names below "$defs" of the same schema',
        ) from cause
    except (UnknownType, re.error, TypeError, AttributeError) as cause:
        raise ConfigurationError(
            f"the schema is none: {cause}"[:_LONGEST_FAULT], hint="see https://json-schema.org"
        ) from cause
    # Of each name that is missing there is a fault, and each tells all of them.
    told = dict.fromkeys(one for fault in found for one in _sentences(fault))
    return [_shortened(one) for one in told][:_MOST_FAULTS]


def _kind(schema: JsonObject) -> Any:
    return cast("Any", validator_for)(dict(schema), default=Draft202012Validator)


@cache
def _lenient(kind: Any) -> Any:
    """Return a kind of validator that lets pass what depends on a pattern it cannot read."""
    judges = {
        name: _where_readable(one)
        for name, one in cast("Mapping[str, _Judge]", kind.VALIDATORS).items()
        if name in _ON_PATTERNS
    }
    judges["patternProperties"] = _one_by_one(judges["patternProperties"])
    return cast("Any", validators).extend(kind, judges)


def _where_readable(judge: _Judge) -> _Judge:
    def judged(
        validator: Any, wanted: Any, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        with suppress(re.error):
            yield from judge(validator, wanted, instance, schema)

    return judged


def _one_by_one(judge: _Judge) -> _Judge:
    def judged(
        validator: Any, wanted: Any, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        for pattern, one in wanted.items():
            yield from judge(validator, {pattern: one}, instance, schema)

    return judged


def _sentences(fault: ValidationError) -> Iterator[str]:
    """Say what is wrong; of what is missing or not known, each by its name."""
    if fault.validator == "required":
        for name in cast("Sequence[str]", fault.validator_value):
            if name not in cast("JsonObject", fault.instance):
                yield f"{_inside(_place(fault), name)} is missing"
    elif fault.validator == "additionalProperties" and fault.validator_value is False:
        yield from _unknown(fault)
    elif wanted := _wanted(fault):
        yield f"{_place(fault) or 'the value'} must {wanted}"
    else:
        yield _told(fault, fault.message)


def _wanted(fault: ValidationError) -> str:
    """Say what a value must be, in words of ours where we have them."""
    wanted, value = cast("Any", fault.validator_value), cast("Json", fault.instance)
    match fault.validator:
        case "type":
            types = [wanted] if isinstance(wanted, str) else wanted
            return f"be {' or '.join(types)}, not {_type_name(value)}"
        case "enum":
            return f"be one of {canonical_json(wanted)}, not {canonical_json(value)}"
        case "minimum":
            return f"be at least {wanted}, not {value}"
        case "maximum":
            return f"be at most {wanted}, not {value}"
        case "minLength" if wanted == 1:
            return "not be empty"
        case _:
            return ""


def _unknown(fault: ValidationError) -> Iterator[str]:
    schema = cast("Mapping[str, Any]", fault.schema)
    known = cast("JsonObject", schema.get("properties") or {})
    patterns = cast("Sequence[str]", list(schema.get("patternProperties") or ()))
    for name in cast("Mapping[str, Any]", fault.instance):
        if name in known or any(re.search(one, name) for one in patterns):
            continue
        near = suggest(name, known)
        meant = f"did you mean {near}?" if near else f"known are {', '.join(known) or 'none'}"
        yield f"{_inside(_place(fault), name)} is not known; {meant}"


def _told(fault: ValidationError | SchemaError, words: str) -> str:
    place = _place(fault)
    return f"{place}: {words}" if place else words


def _place(fault: ValidationError | SchemaError) -> str:
    return fault.json_path.removeprefix("$").removeprefix(".")


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _shortened(words: str) -> str:
    return words if len(words) <= _LONGEST_FAULT else f"{words[:_LONGEST_FAULT]}…"


def _type_name(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "null")
