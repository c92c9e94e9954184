"""Removes a pipeline whose steps no other node uses."""

from attractor.growth.morph import Level, Morph, Risk, Touched, after_slot, require_unused
from attractor.growth.specification.graph import Relation, SpecGraph


class RemovePipeline(Morph):
    """Removes a pipeline whose steps no other node uses."""

    organ = "workflows"
    level = Level.GOAL
    risk = Risk.HIGH
    sentence = "No longer does {pipeline}."

    pipeline: str

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        inside = [one.id for one in graph.below(self._id(graph))]
        return Touched(writes=frozenset([*inside, *map(after_slot, inside)]))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        removed = [one.id for one in graph.below(self._id(graph))]
        require_unused(graph, removed, {Relation.CONTAINS, Relation.PRECEDES})
        return graph.replace(removed=removed)

    def _id(self, graph: SpecGraph) -> str:
        return graph.find(self.pipeline, "pipeline").id


part = RemovePipeline
