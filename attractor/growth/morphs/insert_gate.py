"""Inserts a gate after a step: later steps get only the records that pass it.

A step that already stands there under this name becomes the gate.
"""

from collections.abc import Sequence

from attractor.growth.morph import (
    Level,
    Morph,
    Risk,
    Touched,
    after_slot,
    insert_step,
    new_node,
    targets_of,
)
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode, slug


class InsertGate(Morph):
    """Inserts a gate after a step: later steps get only the records that pass it."""

    organ = "safety"
    level = Level.POLICY
    risk = Risk.MEDIUM
    sentence = "Lets nothing go on after {after} unless it passes {name}."

    name: str
    after: str
    reads: tuple[str, ...] = ()

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        after = graph.find(self.after, "step").id
        read = {after, graph.parents[after], *targets_of(graph, self.reads, "step", "reads")}
        return Touched(frozenset(read), frozenset({slug(self.name), after_slot(after)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        after = graph.find(self.after, "step").id
        order = graph.children_ids(graph.parents[after])
        later = order[order.index(after) + 1 :]
        kept = graph.get(slug(self.name))
        if kept and later[:1] == (kept.id,) and not kept.targets(Relation.GUARDS):
            return graph.replace(self._as_gate(graph, kept, later[1:]))
        gate = self._as_gate(graph, new_node(graph, self.name, "step"), later)
        return insert_step(graph, gate, after)

    def _as_gate(self, graph: SpecGraph, step: SpecNode, guarded: Sequence[str]) -> SpecNode:
        reads = [*step.targets(Relation.READS), *targets_of(graph, self.reads, "step", "reads")]
        gate = step.with_targets(Relation.READS, dict.fromkeys(reads))
        return gate.with_targets(Relation.GUARDS, guarded)


part = InsertGate
