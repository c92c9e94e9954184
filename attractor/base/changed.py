"""A frozen value with other fields: what `dataclasses.replace` makes, in a fraction of the time."""

from typing import TypeVar

Value = TypeVar("Value")


def changed(value: Value, **fields: object) -> Value:
    """Return a copy of a frozen dataclass in which some fields are others.

    It is not made anew by its class: one that checks itself when it is made needs `replace`.
    """
    held = vars(value)
    if not fields.keys() <= held.keys():
        unknown = ", ".join(sorted(fields.keys() - held.keys()))
        raise TypeError(f"{type(value).__name__} has no field {unknown}")
    twin = object.__new__(type(value))
    vars(twin).update(held, **fields)
    return twin
