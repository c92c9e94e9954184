"""The bounds of a branch: the node where branches meet, and the nodes outside of it."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.engine.seams import Branches
from attractor.language.graph.branches import FORKS, Fork, Forks
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.graph.paths import failure_targets, reached_from, targets, targets_and_jumps


@dataclass(frozen=True)
class Bounds:
    """The bounds of a branch: the node where branches meet, and the nodes it may not enter."""

    until: str = ""
    outside: frozenset[str] = frozenset()


NO_BOUNDS = Bounds()


def meeting_of(node: Node, branches: Branches) -> str:
    """Return the node where the branches of a node meet; empty for a node without branches."""
    fork = branches.fork if node.type in FORKS else None
    return fork.meeting if fork else ""


class BranchBounds:
    """The forks of one graph, and the nodes outside of their branches; each is computed once."""

    def __init__(self, graph: Graph, forks: Forks) -> None:
        self._graph = graph
        self._forks = forks
        self._known: dict[str, Fork | None] = {}
        self._outside: dict[str, frozenset[str]] = {}

    def fork(self, node: str) -> Fork | None:
        """Return the fork at a node that edges or a failure lead to."""
        if node not in self._known:
            self._known[node] = self._forks.at(node) or self._fork_after_failure(node)
        return self._known[node]

    def outside(self, node: str) -> frozenset[str]:
        """Return the nodes that no branch of a node may enter: before it, and after its meeting.

        A node that only failures in a branch lead to belongs to the branch.
        """
        if node not in self._outside:
            fork = self.fork(node)
            self._outside[node] = _find_outside(self._graph, fork) if fork else frozenset()
        return self._outside[node]

    def _fork_after_failure(self, node: str) -> Fork | None:
        if node not in self._graph.nodes:
            return None
        by_failure = Edge(self._graph.starts[0].id, node)
        return Forks(replace(self._graph, edges=(*self._graph.edges, by_failure))).at(node)


def _find_outside(graph: Graph, fork: Fork) -> frozenset[str]:
    if not fork.meeting:
        return frozenset()
    leaks = {edge.target for edge in fork.leaks}
    ends = {fork.node, fork.meeting, *(exit_.id for exit_ in graph.exits), *leaks}
    inside = reached_from(targets(graph)(fork.node), targets(graph), until=ends) - ends
    reached = reached_from(
        [graph.starts[0].id, fork.meeting], _after_failures_too(graph), until=[fork.node, *inside]
    )
    return frozenset((reached | leaks) - inside - {fork.meeting})


def _after_failures_too(graph: Graph) -> Callable[[str], Iterable[str]]:
    """Return the function that follows edges and jumps, those of the graph from its start."""
    follow, start = targets_and_jumps(graph), graph.starts[0].id
    of_graph = failure_targets(graph.attributes)
    return lambda node: [*follow(node), *(of_graph if node == start else ())]
