"""Finds the nodes and edges that no run can come to, by trying what stages may come to.

A stage may end well, in part or badly, prefer any label on its ways out, suggest any node, and
write anything into the context; so after a stage nothing is remembered but where the walk is. Only
a conditional hands on what the stage before it said (ruling R1): there the outcome, the label and
the values that conditions have asked for since are part of the place. Goal gates and limits only
cut walks short. Whatever is too much to try is taken to be possible: what is reported as out of
reach is so in every run.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import IntEnum
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.engine.branch_bounds import BranchBounds
from attractor.engine.goal_gates import redirect
from attractor.engine.outcome import Outcome
from attractor.engine.possible_outcomes import suggestions
from attractor.engine.routing import RouteReason, find_jump
from attractor.engine.ways_out import Lookout, Place, Ways, look_out
from attractor.language.graph.branches import FORKS, Fork, Forks
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.graph.queries import is_conditional

MOST_AT_A_PLACE = 100_000
"""How many looks at an edge are allowed at one place."""

MOST_OF_AN_EDGE = 40
"""How many looks at an edge are allowed at all places, for each edge there is."""

_MOST_PLACES_OF_A_NODE = 16


@dataclass(frozen=True)
class Coverage:
    """What can be reached; `untried` was taken to be possible, because it was too much to try."""

    nodes: frozenset[str]
    unreachable_nodes: tuple[str, ...]
    unreachable_edges: tuple[Edge, ...]
    only_suggested: tuple[Edge, ...]
    untried: tuple[Edge, ...]


class _How(IntEnum):
    """How an edge was found to be possible, the surest way first."""

    CHOSEN = 0
    SUGGESTED = 1
    ASSUMED = 2


def cover(graph: Graph, *, most: int = MOST_AT_A_PLACE) -> Coverage:
    """Try what the stages of a graph may come to, and tell what cannot be reached by that."""
    in_all = most + MOST_OF_AN_EDGE * len(graph.edges)
    exploring = _Exploring(graph, look_out(graph), most, in_all)
    exploring.explore()
    found, reached = exploring.found, frozenset(exploring.places)
    return Coverage(
        nodes=reached,
        unreachable_nodes=tuple(node for node in graph.nodes if node not in reached),
        unreachable_edges=tuple(edge for edge in graph.edges if id(edge) not in found),
        only_suggested=_found(graph, found, _How.SUGGESTED),
        untried=_found(graph, found, _How.ASSUMED),
    )


def _found(graph: Graph, found: Mapping[int, _How], how: _How) -> tuple[Edge, ...]:
    return tuple(edge for edge in graph.edges if found.get(id(edge)) is how)


@dataclass
class _Exploring:
    """A search in breadth through the places of a graph."""

    graph: Graph
    lookout: Lookout
    most_at_a_place: int
    left: int
    places: dict[str, set[Place]] = field(default_factory=dict[str, set[Place]])
    found: dict[int, _How] = field(default_factory=dict[int, _How])
    waiting: deque[Place] = field(default_factory=deque[Place])
    may_end: bool = False

    @cached_property
    def branch_bounds(self) -> BranchBounds:
        """Where the branches of each node lead."""
        return BranchBounds(self.graph, Forks(self.graph))

    def explore(self) -> None:
        """Try one place after the other until nothing new is found."""
        self._come_to(Place(self.graph.starts[0].id))
        while self.waiting:
            self._leave(self.waiting.popleft())
            if not self.waiting:
                self._send_back()

    def _come_to(self, place: Place) -> None:
        known = self.places.setdefault(place.node, set())
        if len(known) >= _MOST_PLACES_OF_A_NODE:
            place = Place(place.node)
        if place not in known:
            known.add(place)
            self.waiting.append(place)

    def _send_back(self) -> None:
        """Go where goal gates that do not hold send the walk from its end (ruling R4)."""
        if not self.may_end:
            return
        reached = [self.graph.nodes[id_] for id_ in self.places]
        for gate in reached:
            back = redirect(self.graph, gate) if gate.is_goal_gate else None
            if back:
                self._come_to(Place(back.target))

    def _leave(self, place: Place) -> None:
        node = self.graph.nodes[place.node]
        if node in self.graph.exits:
            self.may_end = True
            return
        if fork := self._fork(node):
            self._branch(node, fork)
            return
        ways = self.lookout.ways(place)
        is_tried = self._try(node, ways, ways.outcomes, _How.CHOSEN)
        if missed := self._missed(node):
            suggested = suggestions(node, missed)
            is_tried = self._try(node, ways, suggested, _How.SUGGESTED) and is_tried
        if not (is_tried and ways.is_whole):
            self._assume(node)

    def _fork(self, node: Node) -> Fork | None:
        return self.branch_bounds.fork(node.id) if node.type in FORKS else None

    def _branch(self, node: Node, fork: Fork) -> None:
        """Go every way out of a fork, and on where the branches meet, however they ended."""
        for edge in self.graph.outgoing(node.id):
            self._take(edge, _How.CHOSEN)
            self._come_to(Place(edge.target))
        if fork.meeting:
            self._come_to(Place(fork.meeting))
        else:
            self.may_end = True
        if jump := find_jump(self.graph, node):
            self._come_to(Place(jump.target))

    def _try(self, node: Node, ways: Ways, outcomes: Sequence[Outcome], how: _How) -> bool:
        """Go every way that outcomes lead; tell whether they were not too many to try."""
        cost = ways.cost(outcomes)
        if cost > min(self.most_at_a_place, self.left):
            return False
        for way in ways.tried(outcomes):
            self.left -= ways.degree
            if way.route.edge:
                self._take(way.route.edge, how)
            if way.route.target:
                self._come_to(way.ahead)
            self.may_end = self.may_end or way.route.reason is RouteReason.NO_EDGES
            if self._is_done(node):
                break
        return True

    def _is_done(self, node: Node) -> bool:
        """Whether nothing new can come of a node: every way out of it leads to where we were."""
        jump = find_jump(self.graph, node)
        return (jump is None or not self._is_new(jump.target)) and not self._missed(node)

    def _missed(self, node: Node) -> Sequence[str]:
        """Return where edges lead that are not found yet, or that hand on what was said."""
        return [
            edge.target
            for edge in self.graph.outgoing(node.id)
            if id(edge) not in self.found or self._is_new(edge.target)
        ]

    def _is_new(self, target: str) -> bool:
        """Whether there may be more to find at a node that is gone to."""
        return target not in self.places or is_conditional(self.graph, target)

    def _assume(self, node: Node) -> None:
        """Take every way out of a node to be possible that was not chosen, and none of them."""
        self.may_end = True
        for edge in self.graph.outgoing(node.id):
            if id(edge) not in self.found:
                self._take(edge, _How.ASSUMED)
            self._come_to(Place(edge.target))
        if jump := find_jump(self.graph, node):
            self._come_to(Place(jump.target))

    def _take(self, edge: Edge, how: _How) -> None:
        self.found[id(edge)] = min(how, self.found.get(id(edge), how))
