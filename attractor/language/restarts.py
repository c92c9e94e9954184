"""Finds the edges with `loop_restart` at which no run can begin anew (ruling R7)."""

from collections.abc import Iterator
from typing import NamedTuple

from attractor.language.forks import FORKS, find_forks
from attractor.language.graph import Edge, Graph

BEHIND = "put it on an edge behind the node where the branches meet"


class Misplaced(NamedTuple):
    """An edge with `loop_restart`, why no run can begin anew there, and what to do about it.

    One that `leaves` its branch has no place there with or without it.
    """

    edge: Edge
    why: str
    fix: str
    leaves: bool = False


def is_restart(edge: Edge) -> bool:
    """Tell whether an edge ends the run and starts it anew."""
    return edge.attributes.flag("loop_restart")


def find_misplaced(graph: Graph) -> Iterator[Misplaced]:
    """Yield each edge at which no run can begin anew."""
    restarting = [edge for edge in graph.edges if is_restart(edge)]
    if not restarting:
        return
    forks = list(find_forks(graph))
    in_branches = {node for fork in forks for nodes in fork.branches.values() for node in nodes}
    leaking = {id(edge) for fork in forks for edge in fork.leaks}
    exits = {exit_.id for exit_ in graph.exits}
    for edge in restarting:
        source = graph.nodes.get(edge.source)
        if edge.target in exits:
            fix = "lead it to where the next round begins"
            yield Misplaced(
                edge, "behind the exit nothing can begin anew", fix, id(edge) in leaking
            )
        elif source and source.type in FORKS:
            yield Misplaced(edge, "this edge is a branch, no way out", BEHIND)
        elif edge.source in in_branches:
            why = "no run can begin anew out of a branch"
            yield Misplaced(edge, why, BEHIND, id(edge) in leaking)
