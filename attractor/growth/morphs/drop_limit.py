"""Removes a limit of the records of an entity."""

from attractor.growth.morph import Morph, Risk, Touched
from attractor.growth.specification.graph import SpecGraph


class DropLimit(Morph):
    """Removes a limit of the records of an entity."""

    organ = "ingestors"
    risk = Risk.MEDIUM
    sentence = "Removes the limit {limit}."

    limit: str

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        limit = graph.find(self.limit, "limit").id
        return Touched(frozenset({graph.parents[limit]}), frozenset({limit}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        return graph.replace(removed=[graph.find(self.limit, "limit").id])


part = DropLimit
