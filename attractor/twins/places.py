"""Places in data: the names and numbers that lead there."""

from collections.abc import Iterable
from typing import TypeAlias

Step: TypeAlias = str | int
Place: TypeAlias = tuple[Step, ...]


def written_path(place: Iterable[Step]) -> str:
    """Write a place as `routes[0].status`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".")
