"""Validates values against JSON schemas, with messages that a model can act on."""

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
from attractor.base.patterns import linear_search
from attractor.llm.errors import ConfigurationError

_MOST_FAULTS = 5
_LONGEST_FAULT = 300
# Remote references are not fetched: a schema may come from anywhere.
_NO_REMOTE = cast("Any", Registry)()
# Patterns are ECMAScript, such as `^\p{L}+$`; those unsupported by RE2 are ignored in schemas that
# nobody has checked.
_UNICODE_ESCAPE = re.compile(r"((?<!\\)(?:\\\\)*)\\u([0-9A-Fa-f]{4})")
_FORMATS = FormatChecker()
_KeywordCheck = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]
_TYPE_NAMES: Sequence[tuple[type, str]] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (Mapping, "object"),
)


def check_schema(schema: JsonObject, noun: str) -> None:
    """Raise a ConfigurationError if a schema is invalid."""
    try:
        _validator_class(schema).check_schema(dict(schema), format_checker=_FORMATS)
    except SchemaError as error:
        raise ConfigurationError(
            f"invalid JSON schema, {noun}: {_shorten(_located(error, error.message))}"
            f"{f' ({error.cause})' if error.cause else ''}",
            hint="see https://json-schema.org",
        ) from None


def find_faults(value: Json | JsonObject, schema: JsonObject) -> Sequence[str]:
    """Return the faults of a value as messages; empty if the value is valid."""
    # Without "$schema", which would be checked again at every reference to the root.
    plain = {name: subschema for name, subschema in schema.items() if name != "$schema"}
    validator = _linear(_validator_class(schema))(plain, registry=_NO_REMOTE)
    try:
        errors = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
    except (Unresolvable, RecursionError) as cause:
        raise ConfigurationError(
            f"unresolvable or recursive reference in the schema: {cause}",
            hint='define the target of each "$ref" below "$defs" of the same schema',
        ) from cause
    except (UnknownType, re.error, TypeError, AttributeError) as cause:
        raise ConfigurationError(
            f"invalid schema: {cause}"[:_LONGEST_FAULT], hint="see https://json-schema.org"
        ) from cause
    # Several errors may have the same message.
    messages = dict.fromkeys(message for error in errors for message in _messages(error))
    return [_shorten(message) for message in messages][:_MOST_FAULTS]


def _validator_class(schema: JsonObject) -> Any:
    return cast("Any", validator_for)(dict(schema), default=Draft202012Validator)


@cache
def _linear(validator_class: Any) -> Any:
    """Return a validator class that searches for patterns in linear time."""
    checks = {
        name: _without_patterns(check)
        for name, check in cast("Mapping[str, _KeywordCheck]", validator_class.VALIDATORS).items()
        if name in ("additionalProperties", "unevaluatedProperties")
    }
    own = {"pattern": _check_pattern, "patternProperties": _check_pattern_properties}
    return cast("Any", validators).extend(validator_class, {**checks, **own})


def _search(pattern: str) -> Callable[[str], bool]:
    """Return a function that searches a text for a pattern of ECMAScript, or raise ValueError."""
    return linear_search(_UNICODE_ESCAPE.sub(r"\1\\x{\2}", pattern))


def _is_found(pattern: str, text: str) -> bool | None:
    """Return whether a pattern matches somewhere; None for an unsupported pattern."""
    with suppress(ValueError):
        return _search(pattern)(text)


@_FORMATS.checks("regex", ValueError)
def _is_regex(value: object) -> bool:
    return not isinstance(value, str) or bool(_search(value))


def _check_pattern(
    _validator: Any, pattern: Any, instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and _is_found(pattern, instance) is False:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _check_pattern_properties(
    validator: Any, patterns: Any, instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    members = cast("dict[str, Any]", instance) if isinstance(instance, dict) else {}
    for pattern, subschema in patterns.items():
        for name, value in members.items():
            if _is_found(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _without_patterns(check: _KeywordCheck) -> _KeywordCheck:
    """Return a check that sees a property for each name that a pattern matches."""

    def checked(
        validator: Any, keyword_value: Any, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        patterns = schema.get("patternProperties")
        if patterns and isinstance(instance, dict):
            names = cast("dict[str, Any]", instance)
            if any(_is_found(pattern, "") is None for pattern in patterns):
                return
            found = {name: True for name in names if any(_is_found(one, name) for one in patterns)}
            properties = {**schema.get("properties", {}), **found}
            schema = {**schema, "properties": properties, "patternProperties": {}}
        with suppress(re.error):
            yield from check(validator, keyword_value, instance, schema)

    return checked


def _messages(error: ValidationError) -> Iterator[str]:
    """Yield messages for an error, one per missing or unknown name."""
    if error.validator == "required":
        for name in cast("Sequence[str]", error.validator_value):
            if name not in cast("JsonObject", error.instance):
                yield f"{_join(_path(error), name)} is missing"
    elif error.validator == "additionalProperties" and error.validator_value is False:
        yield from _unknown_names(error)
    elif requirement := _requirement(error):
        yield f"{_path(error) or 'the value'} must {requirement}"
    else:
        yield _located(error, error.message)


def _requirement(error: ValidationError) -> str:
    """Return the violated requirement as text, or an empty text for other keywords."""
    limit, value = cast("Any", error.validator_value), cast("Json", error.instance)
    match error.validator:
        case "type":
            types = [limit] if isinstance(limit, str) else limit
            name = next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "null")
            if isinstance(value, float) and value.is_integer():
                name = "integer"
            return f"be {' or '.join(types)}, not {name}"
        case "enum":
            return f"be one of {canonical_json(limit)}, not {canonical_json(value)}"
        case "minimum":
            return f"be at least {limit}, not {value}"
        case "maximum":
            return f"be at most {limit}, not {value}"
        case "minLength" if limit == 1:
            return "not be empty"
        case _:
            return ""


def _unknown_names(error: ValidationError) -> Iterator[str]:
    schema = cast("Mapping[str, Any]", error.schema)
    known = cast("JsonObject", schema.get("properties") or {})
    patterns = cast("Sequence[str]", list(schema.get("patternProperties") or ()))
    for name in cast("Mapping[str, Any]", error.instance):
        if name in known or any(_is_found(pattern, name) for pattern in patterns):
            continue
        near = suggest(name, known)
        hint = f"did you mean {near}?" if near else f"known names: {', '.join(known) or 'none'}"
        yield f"{_join(_path(error), name)} is unknown; {hint}"


def _located(error: ValidationError | SchemaError, message: str) -> str:
    path = _path(error)
    return f"{path}: {message}" if path else message


def _path(error: ValidationError | SchemaError) -> str:
    return error.json_path.removeprefix("$").removeprefix(".")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_FAULT else f"{text[:_LONGEST_FAULT]}…"
