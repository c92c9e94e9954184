"""Writes canonical JSON, so that equal values have equal hashes. Parses JSON strictly.

Keys are sorted by code point, there are no spaces, text is unescaped UTF-8. A float is written like
Python's `repr`: `1` and `1.0` differ, and so do `0.0` and `-0.0`, because each survives a round
trip.
"""

import hashlib
import json
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from typing import TypeAlias, cast

from attractor.base.errors import NotCanonical
from attractor.base.patterns import late_pattern

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
JsonObject: TypeAlias = Mapping[str, Json]

# Fixed, so that every process can read what another one wrote, whatever the depth of its stack.
DEEPEST = 100

_Path: TypeAlias = tuple[object, ...]
_CONTAINERS = frozenset({dict, list})
_LONE_SURROGATE = late_pattern(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
_read = json.JSONDecoder().decode


def canonical_json(value: Json | JsonObject) -> str:
    """Return the canonical JSON of a value."""
    plain = value if isinstance(value, dict) or not isinstance(value, Mapping) else dict(value)
    try:
        text = _encode(plain)
    except (TypeError, ValueError, RecursionError) as cause:
        raise _not_canonical(_first_fault(plain) or str(cause)) from cause
    _require_plain(plain, text)
    return text


def canonical_members(record: JsonObject, *cuts: str, is_plain: bool = False) -> tuple[str, ...]:
    """Return the members of an object as JSON texts without braces, split at the keys in `cuts`.

    If two objects share members, these members are only encoded once. `is_plain` skips the check of
    values that were read from JSON or already checked.
    """
    parts: list[dict[str, Json]] = [{} for _ in range(len(cuts) + 1)]
    try:
        for key, value in record.items():
            parts[bisect_left(cuts, key)][key] = value
        texts = tuple(_encode(part)[1:-1] for part in parts)
    except (TypeError, ValueError, RecursionError) as cause:
        raise _not_canonical(_first_fault(dict(record)) or str(cause)) from cause
    if is_plain:
        _require_unicode(record, "".join(texts))
    else:
        _require_plain(dict(record), canonical_object(*texts))
    return texts


def canonical_object(*members: str) -> str:
    """Join encoded members to an object."""
    return f"{{{','.join(filter(None, members))}}}"


def parse_json(text: str | bytes) -> Json:
    """Parse JSON strictly; reject duplicate keys, NaN, too large numbers and invalid UTF-8."""
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        value: Json = _decode(decoded)
    except (ValueError, RecursionError) as cause:
        raise NotCanonical(f"invalid JSON: {cause}") from cause
    if _LONE_SURROGATE.search(decoded):
        canonical_json(value)
    return value


def parse_object(text: str | bytes) -> dict[str, Json] | None:
    """Parse JSON strictly; return None for invalid JSON, and for a value that is not an object."""
    try:
        value = parse_json(text)
    except NotCanonical:
        return None
    return value if isinstance(value, dict) else None


def texts_in(value: Json, *, without: Set[str] = frozenset()) -> Iterator[str]:
    """Yield the texts in a value at any depth, except in the named members of objects."""
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from texts_in(one, without=without)
        case dict():
            for key, one in value.items():
                if key not in without:
                    yield from texts_in(one, without=without)
        case _:
            pass


def content_hash(content: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _not_canonical(fault: str) -> NotCanonical:
    return NotCanonical(f"cannot write JSON: {fault}")


def _require_plain(plain: object, text: str) -> None:
    """Refuse values that the encoder would change, such as the key 1 (to "1") or a tuple (to a
    list).
    """
    _require_unicode(plain, text)
    if not _survives_round_trip(plain, text) and (fault := _first_fault(plain)):
        raise _not_canonical(fault)


def _require_unicode(value: object, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise _not_canonical(_first_fault(value) or str(cause)) from cause


def _survives_round_trip(value: object, text: str) -> bool:
    """Return whether a value survives a round trip; must be fast: it runs for every event."""
    try:
        again = _read(text)
    except (ValueError, RecursionError):
        return False
    return bool(again == value) and (
        text.count("{") + text.count("[") <= DEEPEST or _is_flat(again)
    )


def _is_flat(value: object) -> bool:
    """Return whether a parsed value is within the depth limit."""
    level = [value]
    for _ in range(DEEPEST + 1):
        nested = [item for item in level if type(item) in _CONTAINERS]
        if not nested:
            return True
        level = list[object]()
        for container in nested:
            members = cast("dict[str, object] | list[object]", container)
            level.extend(members.values() if isinstance(members, dict) else members)
    return False


def _first_fault(value: object) -> str:
    """Return the first fault in a value and its place, or an empty text."""
    waiting: list[tuple[_Path, object]] = [((), value)]
    while waiting:
        path, item = waiting.pop()
        inner = _members(item)
        fault = _fault_of_leaf(item) if inner is None else _fault_of_container(item, len(path))
        if fault:
            # A path such as `data.items[3]`.
            steps = [
                f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]"
                for step in path
            ]
            return f"{fault} at {''.join(steps).removeprefix('.') or 'the top'}"
        waiting.extend(((*path, key), member) for key, member in reversed(inner or []))
    return ""


def _members(value: object) -> list[tuple[object, object]] | None:
    """Return the members of a container with their keys or positions; None for a leaf."""
    if isinstance(value, dict):
        return list(cast("dict[object, object]", value).items())
    if isinstance(value, list):
        return list(enumerate(cast("list[object]", value)))
    return None


def _fault_of_container(value: object, depth: int) -> str:
    if depth >= DEEPEST:
        return f"more than {DEEPEST} levels, or a recursive value,"
    for key in cast("dict[object, object]", value) if isinstance(value, dict) else ():
        if not isinstance(key, str):
            return f"the key {key!r}, which is not a text,"
        if not _is_unicode(key):
            return f"the key {key!r}, which contains a lone surrogate,"
    return ""


def _fault_of_leaf(value: object) -> str:
    if isinstance(value, str):
        return "" if _is_unicode(value) else "a lone surrogate"
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"the number {value!r}"
    if isinstance(value, int):
        return "" if _has_digits(value) else "a number with too many digits"
    return "" if value is None else f"a value of type {type(value).__name__}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_digits(number: int) -> bool:
    """Return whether Python can write a number as text (limit: `sys.set_int_max_str_digits`)."""
    try:
        str(number)
    except ValueError:
        return False
    return True


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        (duplicate, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise NotCanonical(f"invalid JSON: duplicate key {duplicate!r}")
    return members


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotCanonical(f"invalid JSON: the number {digits} is too large")
    return number


def _no_constant(name: str) -> Json:
    raise NotCanonical(f"invalid JSON: {name} is not a number")


_decode = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant
).decode
