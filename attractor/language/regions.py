"""What lies within a fork: the nodes of its branches, and the edges that leave them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from attractor.language.graph import Edge
from attractor.language.ways import reached_from

# Branches that share stages are gone through one by one. Of so many that this takes longer than so
# many times what lies in them nobody is told which stages they share.
_MOST_TIMES = 30

Leading = Callable[[str], Sequence[Edge]]


class Region(NamedTuple):
    """The nodes within a fork, each with the branch that came to it first.

    `ends` are the edges that come to the meeting. `following` follows those between the nodes.
    """

    nodes: Mapping[str, str]
    ends: Sequence[Edge]
    leaks: Sequence[Edge]
    is_tangled: bool
    following: Callable[[str], Sequence[str]]


def find_region(
    begins: Sequence[str], meeting: str, leading: Leading, is_outside: Callable[[str], bool]
) -> Region:
    """Go from the beginnings of all branches to the meeting, and to what is outside."""
    nodes = {one: one for one in begins if one != meeting}
    ends: list[Edge] = []
    leaks: list[Edge] = []
    is_tangled = False
    waiting = list(nodes)
    while waiting:
        one = waiting.pop()
        for edge in leading(one):
            if edge.target == meeting:
                ends.append(edge)
            elif is_outside(edge.target):
                leaks.append(edge)
            elif edge.target not in nodes:
                nodes[edge.target] = nodes[one]
                waiting.append(edge.target)
            elif nodes[edge.target] != nodes[one]:
                is_tangled = True

    def following(one: str) -> Sequence[str]:
        ahead = [edge.target for edge in leading(one)]
        return [target for target in ahead if target in nodes and not is_outside(target)]

    return Region(nodes, ends, leaks, is_tangled, following)


def branches_of(begins: Sequence[str], region: Region) -> Mapping[str, frozenset[str]]:
    """Return the nodes that each branch can come to."""
    if region.is_tangled:
        left = _MOST_TIMES * len(region.nodes)
        branches: dict[str, frozenset[str]] = {}
        for one in begins:
            within = reached_from(region.nodes.keys() & {one}, region.following)
            branches[one] = frozenset(within)
            left -= len(within)
            if left < 0:
                break
        else:
            return branches
    apart: dict[str, list[str]] = {one: [] for one in begins}
    for node, begin in region.nodes.items():
        apart[begin].append(node)
    return {one: frozenset(nodes) for one, nodes in apart.items()}
