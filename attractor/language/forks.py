"""What lies between a parallel node and the node where its branches meet (ruling R6).

They meet at the nearest fan-in that all of them can come to, unless all must pass another node
before it; that one it is then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from attractor.language.graph import Edge, Graph
from attractor.language.ways import dominance, reached_from, sources, targets

PARALLEL = "parallel"
FAN_IN = "parallel.fan_in"


class Fork(NamedTuple):
    """A parallel node and the node where its branches meet.

    A branch goes by its first node, and has the nodes it can come to before the meeting; `leaks`
    are the edges by which branches lead anywhere else. Without a meeting all of that is empty.
    """

    node: str
    meeting: str
    branches: Mapping[str, frozenset[str]]
    leaks: tuple[Edge, ...]


def find_forks(graph: Graph) -> Iterator[Fork]:
    """Yield every fork that a run can come to."""
    parallels = graph.of_type(PARALLEL)
    if parallels and graph.starts and graph.exits:
        finding = _Finding(graph)
        for node in parallels:
            yield from finding.fork(node.id)


class _Finding:
    """What is known of a graph as a whole, found out once for all its forks."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._exit = graph.exits[0].id
        self._targets = targets(graph)
        self._from_start = dominance(graph.starts[0].id, self._targets)
        self._to_exit = dominance(self._exit, sources(graph))

    def fork(self, node: str) -> Iterator[Fork]:
        begins = [one for one in dict.fromkeys(self._targets(node)) if one in self._graph.nodes]
        meeting = self._meeting(node, begins)
        if not self._from_start.covers(node, node):
            return
        if not meeting:
            yield Fork(node, "", {}, ())
            return
        is_outside = self._outside(node, meeting)

        def inside(one: str) -> Sequence[str]:
            if one == meeting:
                return ()
            return [target for target in self._targets(one) if not is_outside(target)]

        branches = {one: frozenset(reached_from([one], inside) - {meeting}) for one in begins}
        every = dict.fromkeys(chain.from_iterable(branches.values()))
        leaks = [
            edge
            for edge in chain.from_iterable(self._graph.outgoing(one) for one in every)
            if edge.target != meeting and is_outside(edge.target)
        ]
        yield Fork(node, meeting, branches, tuple(leaks))

    def _outside(self, node: str, meeting: str) -> Callable[[str], bool]:
        """Return the function that tells whether a node cannot belong to a branch."""
        behind: set[str] = set()
        if self._to_exit.above.get(node) != meeting:
            # There are ways around the meeting node, to what lies behind it.
            behind = reached_from([meeting], self._targets, until=[node])
        elsewhere = behind - {meeting} | {node, self._exit} - {meeting}
        return lambda one: (
            one in elsewhere or (one != meeting and not self._from_start.covers(node, one))
        )

    def _meeting(self, node: str, begins: Sequence[str]) -> str:
        # The one node behind a fork of one branch is no meeting.
        last = self._to_exit.above.get(node, "") if len(begins) > 1 else self._exit
        if not all(self._to_exit.covers(self._exit, one) for one in begins):
            last = ""
        return self._nearest_fan_in(begins, {node, last, self._exit}) or last

    def _nearest_fan_in(self, begins: Sequence[str], ends: set[str]) -> str:
        """Go on in all branches step by step, until all of them have come to one fan-in."""
        seen, fronts = [{one} for one in begins], [[one] for one in begins]
        times: dict[str, int] = {}
        while any(fronts):
            for one in filter(self._is_fan_in, chain.from_iterable(fronts)):
                times[one] = times.get(one, 0) + 1
                if times[one] == len(begins):
                    return one
            fronts = [
                self._step(front, ends, known) for front, known in zip(fronts, seen, strict=True)
            ]
        return ""

    def _step(self, front: Sequence[str], ends: set[str], seen: set[str]) -> list[str]:
        following: list[str] = []
        for one in front:
            for target in () if one in ends else self._targets(one):
                if target not in seen:
                    seen.add(target)
                    following.append(target)
        return following

    def _is_fan_in(self, node: str) -> bool:
        return node in self._graph.nodes and self._graph.nodes[node].type == FAN_IN
