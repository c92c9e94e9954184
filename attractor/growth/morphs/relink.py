"""Lets a relation of a node lead to other nodes."""

from attractor.growth.errors import InvalidMorph
from attractor.growth.morph import Morph, Risk, Touched, field_slot, ids_of
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode
from attractor.growth.specification.node_kind import Targets, relations_of

_OTHERS = {
    "sees": "add_role",
    "does": "add_role",
    "edits": "add_role",
    "arranged_by": "arrange_panel",
    "sum": "arrange_panel",
}


class Relink(Morph):
    """Lets a relation of a node, such as `runs`, lead to other nodes."""

    organ = "workflows"
    risk = Risk.MEDIUM
    sentence = "Changes what {node} {relation}: {targets}."

    node: str
    relation: str
    targets: tuple[str, ...]

    def touched(self, graph: SpecGraph) -> Touched:
        """Read the targets, and write the relation of the node."""
        node, targets = self._found(graph)
        read = ids_of(graph, self.targets, *targets.kinds)
        return Touched(frozenset({node.id, *read}), frozenset({field_slot(self.relation, node.id)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        node, targets = self._found(graph)
        ids = dict.fromkeys(ids_of(graph, self.targets, *targets.kinds))
        if targets.is_one and len(ids) > 1:
            raise InvalidMorph(f"relink: {self.relation} of {node.id} leads to one node")
        kept = [one for one in node.targets(targets.relation) if graph[one].kind in targets.kinds]
        if targets.relation is Relation.GUARDS and not {*kept} <= ids.keys():
            raise InvalidMorph(f"relink: {node.id} guards less", hint=f"keep {', '.join(kept)}")
        return graph.replace(node.with_targets(targets.relation, ids))

    def _found(self, graph: SpecGraph) -> tuple[SpecNode, Targets]:
        node = graph.find(self.node)
        known = relations_of(node.kind)
        if self.relation not in known or self.relation in _OTHERS:
            other = _OTHERS.get(self.relation)
            hint = f"use {other}" if other else f"relations: {', '.join(known) or 'none'}"
            fault = f"relink: no relation {self.relation!r} of {node.kind} {node.id}"
            raise InvalidMorph(fault, hint=hint)
        return node, known[self.relation]


part = Relink
