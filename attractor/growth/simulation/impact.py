"""Responses of an app that a plan may change, and those that it changed (ruling G10).

Possible changes are computed from both graphs before anything is built: all nodes downstream of a
changed node. A change of a response elsewhere blocks a deployment.
"""

from collections.abc import Sequence
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.growth.apps.routes import downstream, nodes_of_request
from attractor.growth.simulation.traffic import Request, Response
from attractor.growth.specification.difference import ChangeKind, SpecChange, compare_specs
from attractor.growth.specification.graph import Relation, SpecGraph

_SHOWN = ("pipeline", "output", "panel")
_SILENT = frozenset({Relation.PRECEDES, Relation.TESTS, Relation.DERIVES_FROM})
"""Relations that no response depends on; steps that move or are new are changes themselves."""


@dataclass(frozen=True)
class Impact:
    """The possible changes when one specification follows another; after None, all is new."""

    before: SpecGraph | None
    after: SpecGraph

    @cached_property
    def _reached(self) -> Sequence[tuple[SpecGraph, frozenset[str]]]:
        """Both graphs, each with the nodes whose responses may change."""
        if self.before is None:
            return [(self.after, frozenset(self.after))]
        changes = [
            change
            for change in compare_specs(self.before, self.after)
            if change.field not in _SILENT
        ]
        return [(one, _reached_in(one, changes)) for one in (self.before, self.after)]

    @property
    def may_change(self) -> Sequence[str]:
        """The workflows, outputs and panels that may change, by id."""
        return sorted(
            {id_ for graph, ids in self._reached for id_ in ids if graph[id_].kind in _SHOWN}
        )

    def claims(self, request: Request) -> bool:
        """Whether the response to a request may change."""
        return any(
            ids & nodes_of_request(graph, request.method, request.path)
            for graph, ids in self._reached
        )


def _reached_in(graph: SpecGraph, changes: Sequence[SpecChange]) -> frozenset[str]:
    named: frozenset[str] = frozenset()
    harmless: set[str] = set()
    harmful: set[str] = set()
    for change in changes:
        if change.id not in graph:
            continue
        if change.kind is ChangeKind.RENAMED:
            named |= {change.id}
        elif change.node_kind == "limit":
            # A step that writes the records may be refused.
            harmful.add(change.id)
        elif change.node_kind != "field":
            harmless.add(change.id)
        elif change.kind is ChangeKind.ADDED:
            named |= _shows_field(graph, change.id)
        else:
            # A step that reads the field may fail.
            harmful.add(change.id)
    return named | downstream(graph, harmless, may_fail=False) | downstream(graph, harmful)


def _shows_field(graph: SpecGraph, field: str) -> frozenset[str]:
    """Return the nodes that show a new field; steps do not know it until they change."""
    entity = graph.parents[field]
    users = [
        node.id
        for relation in (Relation.SHOWS, Relation.READS)
        for node in graph.sources(entity, relation)
        if node.kind != "step"
    ]
    return frozenset({entity, *users})


@dataclass(frozen=True)
class ChangedResponse:
    """A request to which the new app responds in another way."""

    request: Request
    before: Response
    after: Response

    def describe(self) -> str:
        """Return the change as a sentence."""
        place = f"{self.request.method} {self.request.path}"
        if self.before.status != self.after.status:
            return f"{place}: status {self.before.status} -> {self.after.status}"
        return f"{place}: another body"


def changed_responses(
    requests: Sequence[Request], before: Sequence[Response], after: Sequence[Response]
) -> Sequence[ChangedResponse]:
    """Return the requests whose responses differ; of a page, only the status is compared."""
    triples = zip(requests, before, after, strict=True)
    return [ChangedResponse(one, old, new) for one, old, new in triples if _differ(old, new)]


def _differ(before: Response, after: Response) -> bool:
    is_page = any(str(one.body).startswith("<!doctype html") for one in (before, after))
    return before.status != after.status if is_page else before != after
