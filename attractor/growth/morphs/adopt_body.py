"""Adopts a body that was edited by hand, by its hash."""

from attractor.growth.morph import Morph, Risk, Touched, field_slot
from attractor.growth.specification.graph import SpecGraph


class AdoptBody(Morph):
    """Adopts a body that was edited by hand, by its hash."""

    organ = "reasoners"
    risk = Risk.MEDIUM
    sentence = "Takes over a change of the code by hand: {node}."

    node: str
    body: str

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(
            writes=frozenset({field_slot("body", graph.find(self.node, "step", "panel").id)})
        )

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        return graph.replace(graph.find(self.node, "step", "panel").with_fields(body=self.body))


part = AdoptBody
