"""How two values of JSON differ, and where.

Places in data: the names and numbers that lead there.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Final, TypeAlias

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json

Step: TypeAlias = str | int
Place: TypeAlias = tuple[Step, ...]


def written_path(place: Iterable[Step]) -> str:
    """Write a place as `routes[0].status`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".")


_LONGEST = 60


class Missing:
    """Stands where there is nothing."""


MISSING: Final = Missing()
Found: TypeAlias = Json | Missing
IsAlike: TypeAlias = Callable[[Place, Found, Found], bool]


@dataclass(frozen=True)
class Gap:
    """One place at which something else was recorded than is found now."""

    place: Place
    recorded: Found
    found: Found


def gaps(recorded: Found, found: Found, is_alike: IsAlike, place: Place = ()) -> Iterator[Gap]:
    """Yield each place where two values are not alike, in reading order.

    What is said to be alike is not looked into; tables and lists that are not said to be are.
    """
    if is_alike(place, recorded, found):
        return
    if isinstance(recorded, dict) and isinstance(found, dict):
        for name in dict.fromkeys([*recorded, *found]):
            one, other = recorded.get(name, MISSING), found.get(name, MISSING)
            yield from gaps(one, other, is_alike, (*place, name))
    elif isinstance(recorded, list) and isinstance(found, list):
        items = zip_longest(recorded, found, fillvalue=MISSING)
        for number, (one, other) in enumerate(items):
            yield from gaps(one, other, is_alike, (*place, number))
    else:
        yield Gap(place, recorded, found)


def differences(asked: Json, recorded: Json) -> Iterator[str]:
    """Yield in words each place where what is asked is not what was recorded."""
    return (_told(one) for one in gaps(recorded, asked, _is_same))


def _is_same(_: Place, one: Found, other: Found) -> bool:
    # True is 1 to Python, and 1.0 too, also inside tables and lists.
    return not isinstance(one, dict | list) and type(one) is type(other) and one == other


def _told(gap: Gap) -> str:
    place = written_path(gap.place)
    if gap.found is MISSING:
        return f"{place} is missing"
    if gap.recorded is MISSING:
        return f"{place} was not there"
    told = f"{_short(gap.found, gap.recorded)}, not {_short(gap.recorded, gap.found)}"
    return f"{place or 'the body'} is {told}"


def _short(value: object, other: object) -> str:
    """Return a value short: of two long texts what follows where they part."""
    if not isinstance(value, str) or not isinstance(other, str):
        told = repr(value)
        return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"
    alike = 0
    while alike < min(len(value), len(other)) and value[alike] == other[alike]:
        alike += 1
    start = max(0, alike - _LONGEST // 3)
    piece = value[start : start + _LONGEST]
    before = "…" if start else ""
    after = "…" if start + _LONGEST < len(value) else ""
    return repr(f"{before}{piece}{after}")
