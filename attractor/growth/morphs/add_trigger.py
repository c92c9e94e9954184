"""Lets new and changed records of an entity start a pipeline."""

from attractor.growth.morph import Morph, Risk, Touched, add_child, new_node, started
from attractor.growth.specification.graph import Relation, SpecGraph, slug


class AddTrigger(Morph):
    """Lets new and changed records of an entity start a pipeline."""

    organ = "workflows"
    risk = Risk.MEDIUM
    sentence = "Starts {runs} by itself when a {entity} is new or changed."

    name: str
    entity: str
    runs: str

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(frozenset(self._ids(graph)), frozenset({slug(self.name)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        entity, pipeline = self._ids(graph)
        trigger = new_node(graph, self.name, "trigger").with_targets(Relation.READS, [entity])
        return add_child(graph, "workflows", trigger.with_targets(Relation.RUNS, [pipeline]))

    def _ids(self, graph: SpecGraph) -> tuple[str, str]:
        return graph.find(self.entity, "entity").id, started(graph, self.runs)


part = AddTrigger
