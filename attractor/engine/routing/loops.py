"""Finds the loops in the path of a walk."""

from collections import Counter
from collections.abc import Mapping, Sequence

Loop = tuple[str, ...]


def find_loops(path: Sequence[str]) -> Mapping[Loop, int]:
    """Return each loop that a path went round, with how often; a loop begins where it was entered.

    What lies on a loop is taken off the way again, so the work grows with the path alone.
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
    """Return a loop from its first node by name, so that it is the same wherever it begins."""
    first = loop.index(min(loop))
    return loop[first:] + loop[:first]
