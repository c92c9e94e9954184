"""Reads a tool's arguments, each as what it must be."""

from attractor.agent.errors import InvalidArguments
from attractor.base.json import JsonObject


def text_of(arguments: JsonObject, name: str, default: str = "") -> str:
    """Return an argument that is text."""
    value = arguments.get(name, default)
    if not isinstance(value, str):
        raise InvalidArguments(f"{name} must be string")
    return value


def number_of(arguments: JsonObject, name: str, default: int) -> int:
    """Return an argument that is a whole number."""
    value = arguments.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArguments(f"{name} must be integer")
    return int(value)


def flag_of(arguments: JsonObject, name: str) -> bool:
    """Return an argument that is true or false; false when it is not there."""
    return arguments.get(name) is True
