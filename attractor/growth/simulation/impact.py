"""What a plan may change in the responses of an app, and what it did change (ruling G10).

What may change is computed from both graphs before anything is built: all that lies downstream of a
changed node. A change of a response elsewhere blocks a deployment.
"""

from collections.abc import Sequence
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.growth.apps.routes import downstream, nodes_of_request
from attractor.growth.simulation.traffic import Request, Response
from attractor.growth.spec.difference import compare_specs
from attractor.growth.spec.graph import SpecGraph

_SHOWN = ("pipeline", "output", "panel")


@dataclass(frozen=True)
class Impact:
    """What may change when one specification follows another."""

    before: SpecGraph
    after: SpecGraph

    @cached_property
    def changed(self) -> frozenset[str]:
        """The nodes that are added, removed or changed."""
        return frozenset(one.id for one in compare_specs(self.before, self.after))

    @cached_property
    def _reached(self) -> Sequence[tuple[SpecGraph, frozenset[str]]]:
        graphs = (self.before, self.after)
        return [(one, downstream(one, self.changed & one.keys())) for one in graphs]

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
    """Return the requests whose responses differ."""
    triples = zip(requests, before, after, strict=True)
    return [ChangedResponse(one, old, new) for one, old, new in triples if old != new]
