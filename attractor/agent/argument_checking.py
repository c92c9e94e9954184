"""Checks arguments against the JSON Schema of a tool, as far as tools use JSON Schema.

Known are `type`, `properties`, `required`, `additionalProperties: false`, `items`, `enum`,
`minimum`, `maximum` and `minLength`. Every fault is a sentence that the model can act on.
"""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.canonical import Json, JsonObject, canonical_json
from attractor.base.suggestions import suggest


def find_faults(value: Json | JsonObject, schema: JsonObject, at: str = "") -> Sequence[str]:
    """Return what is wrong with a value; nothing when it is as its schema wants it."""
    return list(_faults(value, schema, at))


def _faults(value: Json | JsonObject, schema: JsonObject, at: str) -> Iterator[str]:
    wanted = _types(schema)
    if wanted and not any(_is_of_type(value, one) for one in wanted):
        yield f"{at or 'the arguments'} must be {' or '.join(wanted)}, not {_type_name(value)}"
        return
    yield from _faults_of_choice(value, schema, at)
    if isinstance(value, Mapping):
        yield from _faults_of_object(value, schema, at)
    elif isinstance(value, list):
        yield from _faults_of_items(value, schema, at)
    elif isinstance(value, str):
        yield from _faults_of_text(value, schema, at)
    elif isinstance(value, int | float):
        yield from _faults_of_number(value, schema, at)


def _faults_of_choice(value: Json | JsonObject, schema: JsonObject, at: str) -> Iterator[str]:
    choices = schema.get("enum")
    if isinstance(choices, list) and value not in choices:
        yield f"{at} must be one of {canonical_json(choices)}, not {canonical_json(value)}"


def _faults_of_object(value: JsonObject, schema: JsonObject, at: str) -> Iterator[str]:
    known = _object(schema.get("properties"))
    for name in _texts(schema.get("required")):
        if name not in value:
            yield f"{_inside(at, name)} is missing"
    for name, inner in value.items():
        if name in known:
            yield from _faults(inner, _object(known[name]), _inside(at, name))
        elif schema.get("additionalProperties") is False:
            yield f"{_inside(at, name)} is not known{_meant(name, known)}"


def _faults_of_items(value: Sequence[Json], schema: JsonObject, at: str) -> Iterator[str]:
    for place, item in enumerate(value):
        yield from _faults(item, _object(schema.get("items")), f"{at}[{place}]")


def _faults_of_text(value: str, schema: JsonObject, at: str) -> Iterator[str]:
    shortest = schema.get("minLength")
    if isinstance(shortest, int) and len(value) < shortest:
        yield f"{at} must not be empty" if shortest == 1 else f"{at} is too short"


def _faults_of_number(value: float, schema: JsonObject, at: str) -> Iterator[str]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if isinstance(least, int | float) and value < least:
        yield f"{at} must be at least {least}, not {value}"
    if isinstance(most, int | float) and value > most:
        yield f"{at} must be at most {most}, not {value}"


def _types(schema: JsonObject) -> Sequence[str]:
    wanted = schema.get("type")
    return [wanted] if isinstance(wanted, str) else _texts(wanted)


def _is_of_type(value: object, wanted: str) -> bool:
    if wanted == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return wanted == _type_name(value)


def _type_name(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "null")


_TYPE_NAMES: Sequence[tuple[type, str]] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (Mapping, "object"),
)


def _object(value: Json | JsonObject) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Json) -> Sequence[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _meant(name: str, known: JsonObject) -> str:
    near = suggest(name, known)
    return f"; did you mean {near}?" if near else f"; known are {', '.join(known) or 'none'}"
