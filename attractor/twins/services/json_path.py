"""Paths into JSON such as `$.data[*].id`."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import PlainValidator

from attractor.base.json import Json
from attractor.twins.recordings.json_diff import Location

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


def walk(value: Json, location: Location = ()) -> Iterator[tuple[Location, Json]]:
    """Yield a value and every value in it, each with its location."""
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
        raise ValueError(f"the path {text!r} does not begin with $")
    start = 1
    while start < len(text):
        step = _STEP.match(text, start)
        if step is None:
            raise ValueError(f"invalid path {text!r}, from {text[start:]!r} on")
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


def _read_path(value: object) -> JsonPath:
    if isinstance(value, JsonPath):
        return value
    if not isinstance(value, str):
        raise ValueError("a path into JSON is a text such as '$.id'")
    return JsonPath(value)


JsonPathField = Annotated[JsonPath, PlainValidator(_read_path)]
