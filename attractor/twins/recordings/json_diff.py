"""Differences between two JSON values, with their locations."""

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Final, TypeAlias

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json

Location: TypeAlias = tuple[str | int, ...]
"""The names and indexes that lead to a value."""

_MAX_QUOTE = 60


class Missing:
    """Marks a missing value."""


MISSING: Final = Missing()
JsonOrMissing: TypeAlias = Json | Missing
IsEqual: TypeAlias = Callable[[Location, JsonOrMissing, JsonOrMissing], bool]


@dataclass(frozen=True)
class JsonDifference:
    """A location with a different value in the recording than now."""

    location: Location
    recorded: JsonOrMissing
    actual: JsonOrMissing


def find_differences(
    recorded: JsonOrMissing, actual: JsonOrMissing, is_equal: IsEqual, location: Location = ()
) -> Iterator[JsonDifference]:
    """Yield each location at which two values differ, in reading order.

    Objects and lists that `is_equal` does not accept as a whole are compared member by member.
    """
    if is_equal(location, recorded, actual):
        return
    if isinstance(recorded, dict) and isinstance(actual, dict):
        for name in dict.fromkeys([*recorded, *actual]):
            first, second = recorded.get(name, MISSING), actual.get(name, MISSING)
            yield from find_differences(first, second, is_equal, (*location, name))
    elif isinstance(recorded, list) and isinstance(actual, list):
        items = zip_longest(recorded, actual, fillvalue=MISSING)
        for index, (first, second) in enumerate(items):
            yield from find_differences(first, second, is_equal, (*location, index))
    else:
        yield JsonDifference(location, recorded, actual)


def describe_differences(actual: Json, recorded: Json) -> Iterator[str]:
    """Yield a message for each difference between a request and a recorded one."""
    return map(_message, find_differences(recorded, actual, _is_same))


def dotted_path(location: Iterable[str | int]) -> str:
    """Return a location as `routes[0].status`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).removeprefix(".")


def _is_same(_: Location, first: JsonOrMissing, second: JsonOrMissing) -> bool:
    # In Python True == 1 == 1.0, also inside objects and lists.
    return not isinstance(first, dict | list) and type(first) is type(second) and first == second


def _message(difference: JsonDifference) -> str:
    path, actual = dotted_path(difference.location), difference.actual
    recorded = difference.recorded
    if actual is MISSING:
        return f"{path} is missing"
    if recorded is MISSING:
        return f"{path} was not recorded"
    return f"{path or 'the body'} is {_short(actual, recorded)}, not {_short(recorded, actual)}"


def _short(value: object, other: object) -> str:
    """Return a value in few words: of two long texts the part where they begin to differ."""
    if not isinstance(value, str) or not isinstance(other, str):
        text = repr(value)
        return text if len(text) <= _MAX_QUOTE else f"{text[:_MAX_QUOTE]}…"
    same = 0
    while same < min(len(value), len(other)) and value[same] == other[same]:
        same += 1
    start = max(0, same - _MAX_QUOTE // 3)
    piece = value[start : start + _MAX_QUOTE]
    before = "…" if start else ""
    after = "…" if start + _MAX_QUOTE < len(value) else ""
    return repr(f"{before}{piece}{after}")
