"""Compares JSON documents, and finds values in a document by path."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from os.path import commonprefix
from typing import Annotated, Final, TypeAlias

from pydantic import PlainValidator

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
    """A location where the recorded value and the current value differ."""

    location: Location
    recorded: JsonOrMissing
    actual: JsonOrMissing

    @property
    def letters(self) -> int:
        """The number of letters that differ."""
        first, second = self.recorded, self.actual
        if not (isinstance(first, str) and isinstance(second, str)):
            values = [value for value in (first, second) if not isinstance(value, Missing)]
            return sum(len(json.dumps(value, ensure_ascii=False)) for value in values)
        same = len(commonprefix([first, second]))
        first, second = first[same:], second[same:]
        same = len(commonprefix([first[::-1], second[::-1]]))
        return max(len(first), len(second)) - same

    def __str__(self) -> str:
        path = dotted_path(self.location)
        if isinstance(self.actual, Missing):
            return f"{path} is missing"
        if isinstance(self.recorded, Missing):
            return f"{path} was not recorded"
        actual, recorded = _short(self.actual, self.recorded), _short(self.recorded, self.actual)
        return f"{path or 'the body'} is {actual}, not {recorded}"


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


def request_differences(actual: Json, recorded: Json) -> Iterator[JsonDifference]:
    """Yield each difference between a request and a recorded request."""
    return find_differences(recorded, actual, _is_same)


def dotted_path(location: Iterable[str | int]) -> str:
    """Return a location as `routes[0].status`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).removeprefix(".")


def _is_same(_: Location, first: JsonOrMissing, second: JsonOrMissing) -> bool:
    # In Python True == 1 == 1.0, also inside objects and lists.
    return not isinstance(first, dict | list) and type(first) is type(second) and first == second


def _short(value: object, other: object) -> str:
    """Return a value, shortened.

    If the value is a long text, return the part at which the text begins to differ from `other`.
    """
    if not isinstance(value, str) or not isinstance(other, str):
        text = repr(value)
        return text if len(text) <= _MAX_QUOTE else f"{text[:_MAX_QUOTE]}…"
    same = len(commonprefix([value, other]))
    start = max(0, same - _MAX_QUOTE // 3)
    piece = value[start : start + _MAX_QUOTE]
    before = "…" if start else ""
    after = "…" if start + _MAX_QUOTE < len(value) else ""
    return repr(f"{before}{piece}{after}")


_STEP = re.compile(
    r"""(?P<deep>\.\.)(?P<below>[^.\[\]*'"]+|\*)
      | \.(?P<name>[^.\[\]*'"]+|\*)
      | \[(?P<number>\d+|\*)\]
      | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]""",
    re.VERBOSE | re.DOTALL,
)
_ANY = "*"
_ANY_DEPTH = None


class JsonPath:
    """A pattern of locations: `*` is any member, `..` any depth."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = list(_steps(text))

    def __str__(self) -> str:
        return self.text

    def find(self, value: Json) -> Sequence[Json]:
        """Return the values at the locations that match."""
        return [found for location, found in walk(value) if self.matches(location)]

    def matches(self, location: Location) -> bool:
        """Return whether a location matches."""
        return _matches(self._steps, location)

    def edit(self, value: Json, change: Callable[[Json], JsonOrMissing]) -> Json:
        """Return a copy in which the values at matching locations are changed; MISSING removes a
        member of an object.
        """
        edited = _edited(self._steps, value, change)
        return None if isinstance(edited, Missing) else edited


def walk(value: Json, location: Location = ()) -> Iterator[tuple[Location, Json]]:
    """Yield a value and every nested value, each with its location."""
    yield location, value
    if isinstance(value, dict):
        for name, member in value.items():
            yield from walk(member, (*location, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, (*location, index))


def path_of(location: Location) -> str:
    """Return a location as a path."""
    return "$" + "".join(map(_step_text, location))


def _step_text(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if re.fullmatch(r"[\w-]+", step):
        return f".{step}"
    return f'["{step}"]' if "'" in step else f"['{step}']"


def _steps(text: str) -> Iterator[str | int | None]:
    if not text.startswith("$"):
        raise ValueError(f"invalid path {text!r}: it must begin with $")
    start = 1
    while start < len(text):
        step = _STEP.match(text, start)
        if step is None:
            raise ValueError(f"invalid path {text!r} at {text[start:]!r}")
        if step["deep"]:
            yield _ANY_DEPTH
        name = step["below"] or step["name"] or step["quoted"]
        number = step["number"]
        yield int(number) if number and number != _ANY else name or number or ""
        start = step.end()


def _matches(steps: Sequence[str | int | None], location: Location) -> bool:
    if not steps:
        return not location
    first, *rest = steps
    if first is _ANY_DEPTH:
        return any(_matches(rest, location[start:]) for start in range(len(location)))
    if not location or first not in (_ANY, location[0]):
        return False
    return _matches(rest, location[1:])


def _edited(
    steps: Sequence[str | int | None], value: Json, change: Callable[[Json], JsonOrMissing]
) -> JsonOrMissing:
    if not steps:
        return change(value)
    first, *rest = steps
    if first is _ANY_DEPTH:
        # Below first, and then here.
        value = _members_edited(_ANY, steps, value, change)
        first, *rest = rest
    return _members_edited(first, rest, value, change)


def _members_edited(
    step: str | int | None,
    rest: Sequence[str | int | None],
    value: Json,
    change: Callable[[Json], JsonOrMissing],
) -> Json:
    """Edit the members at one step; the items of a list keep their places."""
    if isinstance(value, dict):
        members = {
            name: _edited(rest, member, change) if step in (_ANY, name) else member
            for name, member in value.items()
        }
        return {name: edited for name, edited in members.items() if not isinstance(edited, Missing)}
    if isinstance(value, list):
        items = [
            _edited(rest, item, change) if step in (_ANY, index) else item
            for index, item in enumerate(value)
        ]
        return [None if isinstance(item, Missing) else item for item in items]
    return value


def _read_path(value: object) -> JsonPath:
    if isinstance(value, JsonPath):
        return value
    if not isinstance(value, str):
        raise ValueError("a JSON path must be a text such as '$.id'")
    return JsonPath(value)


JsonPathField = Annotated[JsonPath, PlainValidator(_read_path, json_schema_input_type=str)]
