"""Tells whether an object is of a kind: a class, a protocol, or `type[...]` of either."""

from functools import cache
from types import FunctionType
from typing import Any, get_args, get_origin


def find_shortcoming(part: object, kind: Any) -> str:
    """Say what an object lacks to be of a kind; an empty text when it lacks nothing."""
    if get_origin(kind) is type:
        return _class_shortcoming(part, get_args(kind)[0])
    if _is_protocol(kind):
        return _lacking(part, (*_methods(kind), *_attributes(kind)), kind)
    return "" if isinstance(part, kind) else f"{_described(part)} is not a {kind.__name__}"


def _class_shortcoming(part: object, kind: Any) -> str:
    if not isinstance(part, type):
        return f"{_described(part)} is not a class"
    if _is_protocol(kind):
        # What only instances have (plain attributes) can't be seen on the class.
        return _lacking(part, _methods(kind), kind)
    return "" if issubclass(part, kind) else f"class {part.__name__} is not a {kind.__name__}"


def _is_protocol(kind: Any) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


def _lacking(part: object, wanted: tuple[str, ...], kind: Any) -> str:
    missing = [name for name in wanted if not hasattr(part, name)]
    missing += [name for name in _methods(kind) if not callable(getattr(part, name, callable))]
    if not missing:
        return ""
    return f"{_described(part)} has no {', '.join(missing)}, which a {kind.__name__} needs"


@cache
def _methods(kind: type) -> tuple[str, ...]:
    return tuple(
        name
        for base in _protocols(kind)
        for name, value in vars(base).items()
        if isinstance(value, FunctionType) and name not in _MADE_BY_TYPING
    )


@cache
def _attributes(kind: type) -> tuple[str, ...]:
    return tuple(
        name
        for base in _protocols(kind)
        for name in [*vars(base).get("__annotations__", {}), *_properties(base)]
    )


def _properties(base: type) -> list[str]:
    return [name for name, value in vars(base).items() if isinstance(value, property)]


def _protocols(kind: type) -> list[type]:
    return [base for base in kind.__mro__ if _is_protocol(base) and base.__module__ != "typing"]


def _described(part: object) -> str:
    if isinstance(part, type | FunctionType):
        return part.__name__
    return f"{type(part).__name__} object"


_MADE_BY_TYPING = frozenset({"__init__", "__subclasshook__"})
