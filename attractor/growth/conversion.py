"""The types of fields: the values that fit them, and the conversion of values.

A record of an app has no other values: null fits each type, and a date is written as `2026-01-31`.
"""

import math
from collections.abc import Callable, Mapping
from datetime import date
from types import UnionType
from typing import Literal

from attractor.base.json import Json

FieldType = Literal["text", "integer", "number", "date", "boolean"]


def convert(value: Json, type_: str) -> Json:
    """Return a value as another type; a value that does not fit stays as it is."""
    try:
        return _CONVERSIONS[type_](value)
    except (ValueError, TypeError, OverflowError):
        return value


def has_type(value: Json, type_: str) -> bool:
    """Return whether a value is of a type of fields; null is of each, and each text is a date."""
    if value is None or isinstance(value, bool):
        return value is None or type_ == "boolean"
    return isinstance(value, _TYPES[type_])


def fits(value: Json, type_: str) -> bool:
    """Return whether an app takes a value for a field of a type."""
    if not has_type(value, type_):
        return False
    return type_ != "date" or not isinstance(value, str) or _is_date(value)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _boolean(value: Json) -> Json:
    words: Mapping[object, bool] = {"true": True, "false": False, 1: True, 0: False}
    if isinstance(value, (str, int)) and value in words:
        return words[value]
    raise ValueError(value)


def _integer(value: Json) -> Json:
    if isinstance(value, str | int):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(value)


def _number(value: Json) -> Json:
    if isinstance(value, str | int | float):
        number = float(value)
        # A large integer is no float, but the nearest one.
        if math.isfinite(number) and (isinstance(value, str) or number == value):
            return number
    raise ValueError(value)


def _date(value: Json) -> Json:
    if isinstance(value, str):
        return date.fromisoformat(value.strip()).isoformat()
    raise ValueError(value)


def _as_text(value: Json) -> Json:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(value)


_TYPES: Mapping[str, type | UnionType] = {
    "text": str,
    "date": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
}
_CONVERSIONS: Mapping[str, Callable[[Json], Json]] = {
    "text": _as_text,
    "date": _date,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
