"""Inserts a gate after a step: later steps get only what it lets through."""

from attractor.growth.morph import (
    Level,
    Morph,
    Risk,
    Touched,
    after_slot,
    ids_of,
    insert_step,
    new_node,
)
from attractor.growth.spec.graph import Relation, SpecGraph, slug


class InsertGate(Morph):
    """Inserts a gate after a step: later steps get only what it lets through."""

    organ = "safety"
    level = Level.POLICY
    risk = Risk.MEDIUM

    name: str
    after: str
    reads: tuple[str, ...] = ()

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        after = graph.find(self.after, "step").id
        read = {after, graph.parents[after], *ids_of(graph, self.reads, "entity", "field")}
        return Touched(frozenset(read), frozenset({slug(self.name), after_slot(after)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        after = graph.find(self.after, "step").id
        order = graph.children_ids(graph.parents[after])
        gate = new_node(graph, self.name, "step").with_targets(
            Relation.READS, ids_of(graph, self.reads, "entity", "field")
        )
        guarded = order[order.index(after) + 1 :]
        return insert_step(graph, gate.with_targets(Relation.GUARDS, guarded), after)


part = InsertGate
