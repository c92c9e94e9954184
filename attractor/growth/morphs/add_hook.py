"""Lets other programs add records of an entity, each of which starts a pipeline."""

from attractor.growth.morph import Morph, Risk, Touched, add_child, new_node, started
from attractor.growth.specification.graph import Relation, SpecGraph, slug


class AddHook(Morph):
    """Lets other programs add records of an entity by signed requests, and start a pipeline."""

    organ = "workflows"
    risk = Risk.MEDIUM
    sentence = "Takes a {receives} from another program, and then does {runs}: {name}."

    name: str
    receives: str
    runs: str

    def touched(self, graph: SpecGraph) -> Touched:
        """Read the entity and the pipeline, and write the slot of the hook."""
        return Touched(frozenset(self._ids(graph)), frozenset({slug(self.name)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        entity, pipeline = self._ids(graph)
        hook = new_node(graph, self.name, "trigger").with_targets(Relation.WRITES, [entity])
        return add_child(graph, "workflows", hook.with_targets(Relation.RUNS, [pipeline]))

    def _ids(self, graph: SpecGraph) -> tuple[str, str]:
        return graph.find(self.receives, "entity").id, started(graph, self.runs)


part = AddHook
