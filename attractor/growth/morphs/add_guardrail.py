"""Adds a guardrail, which may guard steps and entities."""

from attractor.growth.morph import Level, Morph, Touched, add_child, new_node, targets_of
from attractor.growth.specification.graph import Relation, SpecGraph, slug


class AddGuardrail(Morph):
    """Adds a guardrail, which may guard steps and entities."""

    organ = "safety"
    level = Level.POLICY
    sentence = "Adds a rule: {name}."

    name: str
    guards: tuple[str, ...] = ()

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        guarded = targets_of(graph, self.guards, "guardrail", "guards")
        return Touched(frozenset(guarded), frozenset({slug(self.name)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        guarded = targets_of(graph, self.guards, "guardrail", "guards")
        rail = new_node(graph, self.name, "guardrail").with_targets(Relation.GUARDS, guarded)
        return add_child(graph, "safety", rail)


part = AddGuardrail
