"""Paths into JSON such as `$.data[*].id`."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import PlainValidator

from attractor.base.json import Json
from attractor.twins.recordings.json_diff import Place

_STEP = re.compile(
    r"""(?P<deep>\.\.)(?P<below>[^.\[\]*'"]+|\*)
      | \.(?P<name>[^.\[\]*'"]+|\*)
      | \[(?P<number>\d+|\*)\]
      | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]""",
    re.VERBOSE | re.DOTALL,
)


_ANY = "*"


_DEEP = None


class JsonPath:
    """A pattern of places in a JSON value."""

    def __init__(self, written: str) -> None:
        self.written = written
        self._steps = list(_steps(written))

    def __str__(self) -> str:
        return self.written

    def find(self, value: Json) -> Sequence[Json]:
        """Return what stands at the places it means."""
        return [found for place, found in places(value) if self.means(place)]

    def means(self, place: Place) -> bool:
        """Tell whether a place is one of those it means."""
        return _means(self._steps, place)


def places(value: Json, at: Place = ()) -> Iterator[tuple[Place, Json]]:
    """Yield a value and everything in it, each with its place."""
    yield at, value
    if isinstance(value, dict):
        for name, member in value.items():
            yield from places(member, (*at, name))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from places(member, (*at, number))


def written_place(place: Place) -> str:
    """Write a place as a path."""
    return "$" + "".join(_written(step) for step in place)


def _written(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if re.fullmatch(r"[\w-]+", step):
        return f".{step}"
    return f'["{step}"]' if "'" in step else f"['{step}']"


def _steps(written: str) -> Iterator[str | int | None]:
    if not written.startswith("$"):
        raise ValueError(f"the path {written!r} does not begin with $")
    at = 1
    while at < len(written):
        step = _STEP.match(written, at)
        if step is None:
            raise ValueError(f"the path {written!r} cannot be read from {written[at:]!r} on")
        if step["deep"]:
            yield _DEEP
        name = step["below"] or step["name"] or step["quoted"]
        number = step["number"]
        yield int(number) if number and number != _ANY else name or number or ""
        at = step.end()


def _means(steps: Sequence[str | int | None], place: Place) -> bool:
    if not steps:
        return not place
    first, *rest = steps
    if first is _DEEP:
        return any(_means(rest, place[start:]) for start in range(len(place)))
    if not place or first not in (_ANY, place[0]):
        return False
    return _means(rest, place[1:])


def _json_paths_read(written: object) -> JsonPath:
    if isinstance(written, JsonPath):
        return written
    if not isinstance(written, str):
        raise ValueError("a path into JSON is a text such as '$.id'")
    return JsonPath(written)


WrittenPath = Annotated[JsonPath, PlainValidator(_json_paths_read)]
