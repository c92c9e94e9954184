"""Branches of parallel nodes: where they begin, meet and are left (rulings R6 and R7).

Branches meet at the nearest fan-in that all branches reach. If all branches pass another node
before this fan-in, they meet at this other node. A path back to a node before the branches does not
reach the meeting. A fork inside a branch is one step, which leads past the fan-in of that fork: a
fan-in is the meeting of one level of forks only.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import chain
from typing import NamedTuple

from attractor.language.graph.graph import Edge, Graph
from attractor.language.graph.paths import (
    Dominance,
    Following,
    dominance,
    innermost_first,
    reached_from,
    sources,
    targets,
)

FAN_IN = "parallel.fan_in"

# Bound on steps for each node and edge, over all forks. If the branches are too entangled for it,
# the remaining forks meet where all paths meet.
_MOST_STEPS = 20


class JoinNodes:
    """Finds the meeting nodes of one graph."""

    def __init__(self, graph: Graph, following: Following, from_start: Dominance) -> None:
        self._following = following
        self._from_start = from_start
        self._exit = graph.exits[0].id
        self._fan_ins = {one.id for one in graph.of_type(FAN_IN)}
        self._to_exit: Dominance = dominance(self._exit, sources(graph))
        self._steps_left = _MOST_STEPS * (len(graph.nodes) + len(graph.edges))

    def find(self, node: str, begins: Sequence[str]) -> str:
        """Return the node where the branches of a fork meet, or an empty text."""
        # The only node after a fork with one branch is no meeting.
        last = self._to_exit.parents.get(node, "") if len(begins) > 1 else self._exit
        if not all(self._to_exit.covers(self._exit, one) for one in begins):
            last = ""
        ends = {last, self._exit}

        def is_end(id_: str) -> bool:
            return id_ in ends or self._from_start.covers(id_, node)

        return self._nearest_fan_in(begins, is_end) or last

    def is_on_every_path(self, meeting: str, node: str) -> bool:
        """Return whether every path from a node to the exit contains the meeting."""
        return self._to_exit.covers(meeting, node)

    def _nearest_fan_in(self, begins: Sequence[str], is_end: Callable[[str], bool]) -> str:
        """Follow all branches step by step, until all branches have reached the same fan-in."""
        seen = {node: {node} for node in begins}
        fronts: dict[str, list[str]] = {node: [node] for node in begins}
        times = Counter[str]()
        while fronts and self._steps_left > 0:
            for node in filter(self._fan_ins.__contains__, chain.from_iterable(fronts.values())):
                times[node] += 1
                if times[node] == len(begins):
                    return node
            steps = {node: self._step(front, is_end, seen[node]) for node, front in fronts.items()}
            ended = [node for node, front in steps.items() if not front]
            if any(self._fan_ins.isdisjoint(seen[node]) for node in ended):
                return ""
            fronts = {node: front for node, front in steps.items() if front}
        return ""

    def _step(
        self, front: Sequence[str], is_end: Callable[[str], bool], seen: set[str]
    ) -> list[str]:
        following: list[str] = []
        for node in front:
            for target in () if is_end(node) else self._following(node):
                self._steps_left -= 1
                if target not in seen:
                    seen.add(target)
                    following.append(target)
        return following


# Branches that share stages are searched one by one, but not more nodes in total than this many
# times the nodes of the fork. Beyond that, shared stages are not reported.
_MOST_TIMES = 30

Leading = Callable[[str], Sequence[Edge]]


class Region(NamedTuple):
    """The nodes within a fork, each with the branch that reaches the node first.

    `ends` are the edges to the meeting. `following` follows the edges between the nodes.
    """

    nodes: Mapping[str, str]
    ends: Sequence[Edge]
    leaks: Sequence[Edge]
    is_tangled: bool
    following: Callable[[str], Sequence[str]]


def find_region(
    begins: Sequence[str], meeting: str, leading: Leading, is_outside: Callable[[str], bool]
) -> Region:
    """Search from the first nodes of all branches to the meeting and to nodes outside."""
    nodes = {node: node for node in begins if node != meeting}
    ends: list[Edge] = []
    leaks: list[Edge] = []
    is_tangled = False
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        for edge in leading(node):
            if edge.target == meeting:
                ends.append(edge)
            elif is_outside(edge.target):
                leaks.append(edge)
            elif edge.target not in nodes:
                nodes[edge.target] = nodes[node]
                waiting.append(edge.target)
            elif nodes[edge.target] != nodes[node]:
                is_tangled = True

    def following(node: str) -> Sequence[str]:
        ahead = [edge.target for edge in leading(node)]
        return [target for target in ahead if target in nodes and not is_outside(target)]

    return Region(nodes, ends, leaks, is_tangled, following)


def branches_of(begins: Sequence[str], region: Region) -> Mapping[str, frozenset[str]]:
    """Return the nodes that each branch reaches."""
    if region.is_tangled:
        left = _MOST_TIMES * len(region.nodes)
        branches: dict[str, frozenset[str]] = {}
        for begin in begins:
            within = reached_from(region.nodes.keys() & {begin}, region.following)
            branches[begin] = frozenset(within)
            left -= len(within)
            if left < 0:
                break
        else:
            return branches
    apart: dict[str, list[str]] = {begin: [] for begin in begins}
    for node, begin in region.nodes.items():
        apart[begin].append(node)
    return {begin: frozenset(nodes) for begin, nodes in apart.items()}


PARALLEL = "parallel"
FOR_EACH = "for_each"
FORKS = frozenset({PARALLEL, FOR_EACH})
"""Types of nodes whose outgoing edges are branches."""

# Bound on the edges of a fork that the forks around it follow.
_MOST_EDGES = 100


class Fork(NamedTuple):
    """A node with branches, and the node where they meet.

    A branch is named by its first node, and contains the nodes that the branch reaches before the
    meeting. Of a nested fork, the branch contains only the fork node and the nodes after the
    meeting of the nested fork. `leaks` are edges that leave a branch, each listed for the innermost
    fork. Without a meeting there are no branches.

    `taken` is the fan-in where the branches would meet if it were not the meeting of the fork
    `taken_by` inside a branch: then there is no meeting.
    """

    node: str
    meeting: str
    branches: Mapping[str, frozenset[str]]
    leaks: tuple[Edge, ...]
    taken: str = ""
    taken_by: str = ""

    @property
    def end(self) -> str:
        """Return the node that this fork leads to as one step: the meeting, also if it is taken."""
        return self.meeting or self.taken


def find_forks(graph: Graph) -> Iterator[Fork]:
    """Yield every reachable fork."""
    if not graph.types.isdisjoint(FORKS) and graph.starts and graph.exits:
        found = _Finding(graph).forks
        yield from (found[id_] for id_ in _ids_of_forks(graph) if id_ in found)


def _ids_of_forks(graph: Graph) -> list[str]:
    return [node.id for type_ in (PARALLEL, FOR_EACH) for node in graph.of_type(type_)]


class Forks:
    """The forks of one graph, computed on first use."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def at(self, node: str) -> Fork | None:
        """Return the fork at a node, if the node is reachable."""
        return self._finding.at(node)

    @cached_property
    def _finding(self) -> "_Finding":
        return _Finding(self._graph)


class _Finding:
    """Finds all forks of a graph, innermost first.

    A known fork counts as one step for the forks around it, so each node is searched for one fork
    only, however deeply forks are nested.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._from_start = dominance(graph.starts[0].id, targets(graph))
        self._steps: dict[str, Sequence[Edge]] = {}
        self._reported: set[int] = set()
        self._meetings = JoinNodes(graph, self._beyond, self._from_start)
        self.forks: dict[str, Fork] = {}
        ids = frozenset(_ids_of_forks(graph))
        for node in innermost_first(graph.starts[0].id, targets(graph)):
            if node in ids:
                self.forks[node] = self._fork(node)

    def at(self, node: str) -> Fork | None:
        if node not in self.forks and self._from_start.covers(node, node):
            self.forks[node] = self._fork(node)
        return self.forks.get(node)

    def _leading(self, node: str) -> Sequence[Edge]:
        return self._steps.get(node) or self._graph.outgoing(node)

    def _beyond(self, node: str) -> Iterator[str]:
        """Yield the next nodes of a branch.

        A fork inside the branch leads past the fan-in of this fork.
        """
        fork = self.forks.get(node)
        for edge in self._leading(node):
            if fork and edge.target == fork.end and self._is_fan_in(edge.target):
                yield from (beyond.target for beyond in self._leading(edge.target))
            else:
                yield edge.target

    def _is_fan_in(self, node: str) -> bool:
        return node in self._graph.nodes and self._graph.nodes[node].type == FAN_IN

    def _taken(self, node: str, meeting: str, region: Region) -> Fork | None:
        """Return the fork without a meeting, or None if the fork keeps its meeting.

        The fork has no meeting if the only fan-in of its branches is the meeting of a fork inside
        them.
        """
        for inner in filter(self.forks.__contains__, region.nodes):
            fan_in, taken_by = self.forks[inner].end, self.forks[inner].taken_by or inner
            if not self._is_fan_in(fan_in):
                continue
            is_only = self._meetings.is_on_every_path(fan_in, node) and not self._is_fan_in(meeting)
            if fan_in == meeting or is_only:
                return Fork(node, "", {}, (), taken=fan_in, taken_by=taken_by)
        return None

    def _fork(self, node: str) -> Fork:
        targets_ = dict.fromkeys(edge.target for edge in self._graph.outgoing(node))
        begins = [target for target in targets_ if target in self._graph.nodes]
        meeting = self._meetings.find(node, begins)
        if not meeting:
            return Fork(node, "", {}, ())
        is_outside = self._outside(node, meeting)
        region = find_region(begins, meeting, self._leading, is_outside)
        if taken := self._taken(node, meeting, region):
            self._steps[node] = self._steps_over(node, taken.taken, region)
            return taken
        leaks = [edge for edge in region.leaks if id(edge) not in self._reported]
        fork = Fork(node, meeting, branches_of(begins, region), tuple(leaks))
        self._reported.update(map(id, leaks))
        self._steps[node] = self._steps_over(node, meeting, region)
        return fork

    def _outside(self, node: str, meeting: str) -> Callable[[str], bool]:
        """Return a predicate that is true for nodes outside the branches."""
        covers = self._from_start.covers
        # There may be paths around the meeting, to nodes behind it.
        is_passed = self._meetings.is_on_every_path(meeting, node)
        exit_ = self._graph.exits[0].id

        @cache
        def is_outside(id_: str) -> bool:
            if id_ in (node, exit_) or not covers(node, id_):
                return True
            before = () if is_passed else self._graph.incoming(id_)
            return any(covers(meeting, edge.source) for edge in before)

        return is_outside

    def _steps_over(self, node: str, meeting: str, region: Region) -> Sequence[Edge]:
        """Return the edges that leave a fork as a whole."""
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


BEHIND = "move it to an edge after the node where the branches meet"


class MisplacedRestart(NamedTuple):
    """A misplaced `loop_restart`, the reason and the fix.

    `leaves` is true if the edge also leaves a branch, because this is reported as another error.
    """

    edge: Edge
    why: str
    fix: str
    leaves: bool = False


def is_restart(edge: Edge) -> bool:
    """Return whether an edge restarts the run."""
    return edge.attributes.flag("loop_restart")


def find_misplaced_restarts(graph: Graph) -> Iterator[MisplacedRestart]:
    """Yield each edge at which no run can restart."""
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
            fix = "change its target to the first stage of the next round"
            yield MisplacedRestart(
                edge, "a run cannot restart at the exit", fix, id(edge) in leaking
            )
        elif source and source.type in FORKS:
            yield MisplacedRestart(edge, "the edge starts a branch", BEHIND)
        elif edge.source in in_branches:
            why = "a branch cannot restart the run"
            yield MisplacedRestart(edge, why, BEHIND, id(edge) in leaking)
