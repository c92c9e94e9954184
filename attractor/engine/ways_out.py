"""Tries every way out of a place in a graph, by the run's own routing."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import product
from math import prod

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.lookup import make_lookup
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.possible_outcomes import (
    SAY_NO_LABEL,
    STATUSES,
    Told,
    labels_asked,
    possible_outcomes,
    told_apart,
)
from attractor.engine.progress import Progress, begin
from attractor.engine.routing import Route, route_failure, select_edge
from attractor.language.graph.branches import is_restart
from attractor.language.graph.graph import Graph, Node
from attractor.language.graph.queries import is_conditional

_ASKED_ANYWAY = frozenset({"outcome", "preferred_label", "current_node"})
# A value that is forgotten may be any again, so nothing is lost but some precision.
_MOST_VALUES = 8


@dataclass(frozen=True)
class Place:
    """A node to come to, and what a conditional was handed: None, and a missing value, is any."""

    node: str
    status: StageStatus | None = None
    label: str | None = None
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Way:
    """A way out: by which route, to which place."""

    route: Route
    ahead: Place


@dataclass(frozen=True)
class Ways:
    """What there is to try at a place; `is_whole` when no other value of a key could matter."""

    graph: Graph
    node: Node
    outcomes: Sequence[Outcome]
    known: Mapping[str, Json]
    free: Mapping[str, Sequence[str]]
    shared: Set[str]
    is_whole: bool

    @property
    def degree(self) -> int:
        """How many edges are looked at to choose one."""
        return max(1, len(self.graph.outgoing(self.node.id)))

    def cost(self, outcomes: Sequence[Outcome]) -> int:
        """Return how many looks at an edge it takes to try some outcomes."""
        return len(outcomes) * prod(map(len, self.free.values())) * self.degree

    def tried(self, outcomes: Sequence[Outcome]) -> Iterator[Way]:
        """Try outcomes, each with every combination of values."""
        for outcome in outcomes:
            for chosen in product(*self.free.values()):
                values = dict(zip(self.free, chosen, strict=True))
                yield self._way(outcome, {**self.known, **values})

    def _way(self, outcome: Outcome, values: Mapping[str, Json]) -> Way:
        status, label = outcome.status, outcome.preferred_label
        context = {
            **values,
            "outcome": status.value,
            "preferred_label": label,
            "current_node": self.node.id,
        }
        failed = status is StageStatus.FAIL and self.node.type != "conditional"
        choose = route_failure if failed else select_edge
        route = choose(self.graph, self.node, outcome, make_lookup(status, label, context))
        if route.edge and is_restart(route.edge):
            return Way(route, _ahead_anew(self.graph, route.target))
        return Way(route, self._ahead(route.target, outcome, values))

    def _ahead(self, target: str, outcome: Outcome, values: Mapping[str, Json]) -> Place:
        """Return the place a route leads to; only a conditional is handed anything (ruling R1)."""
        if not is_conditional(self.graph, target):
            return Place(target)
        label = outcome.preferred_label
        is_free = not label and self.node.type not in SAY_NO_LABEL
        held = tuple(
            (key, value)
            for key, value in values.items()
            if key in self.shared and isinstance(value, str)
        )
        return Place(target, outcome.status, None if is_free else label, held[-_MOST_VALUES:])


@dataclass(frozen=True)
class Lookout:
    """What the conditions of a graph ask for: at each node, and at more conditionals than one."""

    graph: Graph
    fixed: Mapping[str, Json]
    told: Mapping[str, Told]
    shared: Set[str]

    def ways(self, place: Place) -> Ways:
        """Find what there is to try at a place."""
        told, node = self.told[place.node], self.graph.nodes[place.node]
        known = {key: self.fixed[key] for key in told.values if key in self.fixed}
        known |= dict(place.values)
        free = {
            key: values
            for key, values in told.values.items()
            if key not in known and key not in _ASKED_ANYWAY
        }
        outcomes = _outcomes(self.graph, node, place)
        return Ways(self.graph, node, outcomes, known, free, self.shared, told.is_whole)


def look_out(graph: Graph) -> Lookout:
    """Find what the conditions of a graph ask for; no stage can change the graph's attributes."""
    told = {
        node: told_apart(edge.condition for edge in graph.outgoing(node)) for node in graph.nodes
    }
    asked = Counter(
        key for node, one in told.items() if is_conditional(graph, node) for key in one.values
    )
    shared = frozenset(key for key, times in asked.items() if times > 1)
    return Lookout(graph, begin(graph, "", {}).context, told, shared)


def _ahead_anew(graph: Graph, target: str) -> Place:
    """Return the place where another run begins: nothing was said before it (ruling R7)."""
    if not is_conditional(graph, target):
        return Place(target)
    fresh = Progress(target)
    return Place(target, fresh.last_status, fresh.last_label)


def _outcomes(graph: Graph, node: Node, place: Place) -> Sequence[Outcome]:
    if node.type != "conditional":
        return possible_outcomes(graph, node)
    statuses = STATUSES if place.status is None else (place.status,)
    words = ("", *labels_asked(graph, node.id)) if place.label is None else (place.label,)
    return [Outcome(status, word) for status in statuses for word in words]
