"""What lies between a node with branches and the node where they meet (ruling R6)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import NamedTuple

from attractor.language.graph import Edge, Graph
from attractor.language.meetings import Meetings
from attractor.language.regions import Region, branches_of, find_region
from attractor.language.ways import dominance, targets

PARALLEL = "parallel"
FOR_EACH = "for_each"
FORKS = frozenset({PARALLEL, FOR_EACH})
"""Types of nodes whose ways out are branches."""

# Of so many edges that leave a fork the forks around it hear, and of as many that come to its end.
_MOST_EDGES = 100


class Fork(NamedTuple):
    """A node with branches, parallel or for each item, and the node where its branches meet.

    A branch goes by its first node, and has the nodes it can come to before the meeting: of a fork
    among them the node that it begins at and what lies behind its meeting, not what lies between.
    `leaks` are the edges by which branches lead anywhere else, each told of the innermost fork it
    leaves. Without a meeting all of that is empty.
    """

    node: str
    meeting: str
    branches: Mapping[str, frozenset[str]]
    leaks: tuple[Edge, ...]


def find_forks(graph: Graph) -> Iterator[Fork]:
    """Yield every fork that a run can come to."""
    if not graph.types.isdisjoint(FORKS) and graph.starts and graph.exits:
        found = _Finding(graph).forks
        yield from (found[id_] for id_ in _ids_of_forks(graph) if id_ in found)


def _ids_of_forks(graph: Graph) -> list[str]:
    return [node.id for type_ in (PARALLEL, FOR_EACH) for node in graph.of_type(type_)]


class Forks:
    """The forks of one graph, found out when one is asked for first."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def at(self, node: str) -> Fork | None:
        """Return the fork at a node, if a run can come there."""
        return self._finding.at(node)

    @cached_property
    def _finding(self) -> "_Finding":
        return _Finding(self._graph)


class _Finding:
    """All forks of a graph, the innermost ones first.

    A fork that is known counts as one step for those around it. So each node is looked at for one
    fork only, however deep forks lie within each other.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._from_start = dominance(graph.starts[0].id, targets(graph))
        self._steps: dict[str, Sequence[Edge]] = {}
        self._told: set[int] = set()
        self._meetings = Meetings(
            graph, lambda one: [edge.target for edge in self._leading(one)], self._from_start
        )
        self.forks: dict[str, Fork] = {}
        for node in self._from_start.deepest_first(_ids_of_forks(graph)):
            self.forks[node] = self._fork(node)

    def at(self, node: str) -> Fork | None:
        if node not in self.forks and self._from_start.covers(node, node):
            self.forks[node] = self._fork(node)
        return self.forks.get(node)

    def _leading(self, node: str) -> Sequence[Edge]:
        return self._steps.get(node) or self._graph.outgoing(node)

    def _fork(self, node: str) -> Fork:
        targets_ = dict.fromkeys(edge.target for edge in self._graph.outgoing(node))
        begins = [one for one in targets_ if one in self._graph.nodes]
        meeting = self._meetings.find(node, begins)
        if not meeting:
            return Fork(node, "", {}, ())
        is_outside = self._outside(node, meeting)
        region = find_region(begins, meeting, self._leading, is_outside)
        leaks = [edge for edge in region.leaks if id(edge) not in self._told]
        fork = Fork(node, meeting, branches_of(begins, region), tuple(leaks))
        self._told.update(map(id, leaks))
        self._steps[node] = self._steps_over(node, meeting, region)
        return fork

    def _outside(self, node: str, meeting: str) -> Callable[[str], bool]:
        """Return the function that tells whether a node cannot belong to a branch."""
        covers = self._from_start.covers
        # There may be ways around the meeting, to what lies behind it.
        is_passed = self._meetings.is_on_every_way(meeting, node)
        exit_ = self._graph.exits[0].id

        @cache
        def is_outside(one: str) -> bool:
            if one in (node, exit_) or not covers(node, one):
                return True
            before = () if is_passed else self._graph.incoming(one)
            return any(covers(meeting, edge.source) for edge in before)

        return is_outside

    def _steps_over(self, node: str, meeting: str, region: Region) -> Sequence[Edge]:
        """Return the edges that lead on from a fork as a whole."""
        covers = self._from_start.covers
        ends = [edge for edge in region.ends if covers(node, edge.source)]
        away = [
            edge
            for edge in region.leaks
            if covers(node, edge.source) and not covers(node, edge.target)
        ]
        beyond = [
            edge
            for edge in self._graph.outgoing(node)
            if edge.target == meeting or not covers(node, edge.target)
        ]
        return [*ends[:_MOST_EDGES], *away[:_MOST_EDGES], *beyond]
