"""Adds a button that runs a pipeline, or a step with its gates."""

from attractor.growth.morph import Morph, Touched, add_child, new_node, targets_of
from attractor.growth.specification.graph import Relation, SpecGraph, slug


class AddAction(Morph):
    """Adds a button that runs a pipeline, or a step with its gates."""

    organ = "actions"
    sentence = "Adds the button {name}."

    name: str
    runs: str
    confirm: bool = False

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(frozenset(self._runs(graph)), frozenset({slug(self.name)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        confirm = "true" if self.confirm else ""
        action = new_node(graph, self.name, "action", confirm=confirm)
        return add_child(graph, "interface", action.with_targets(Relation.RUNS, self._runs(graph)))

    def _runs(self, graph: SpecGraph) -> list[str]:
        return targets_of(graph, [self.runs], "action", "runs")


part = AddAction
