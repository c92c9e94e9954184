"""Finds the loops in the path of a walk."""

from collections import Counter
from collections.abc import Mapping, Sequence

Loop = tuple[str, ...]


def find_loops(path: Sequence[str]) -> Mapping[Loop, int]:
    """Return the loops in a path with their number of rounds; a loop begins where it was entered.

    Closed loops are removed from the path, so the time is linear in its length.
    """
    loops: Counter[Loop] = Counter()
    names: dict[Loop, Loop] = {}
    way: list[str] = []
    at: dict[str, int] = {}
    for node in path:
        if node in at:
            loop = tuple(way[at[node] :])
            loops[names.setdefault(_turned(loop), loop)] += 1
            for left in loop:
                del at[left]
            del way[-len(loop) :]
        at[node] = len(way)
        way.append(node)
    return loops


def _turned(loop: Loop) -> Loop:
    """Return a loop rotated to its first node by name, to compare loops."""
    first = loop.index(min(loop))
    return loop[first:] + loop[:first]
