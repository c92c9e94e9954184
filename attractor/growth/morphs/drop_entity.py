"""Removes an entity that no other node uses, with its records."""

from attractor.growth.migration import EntityDropped, Migration
from attractor.growth.morph import Morph, Risk, Touched, require_unused
from attractor.growth.specification.graph import Relation, SpecGraph


class DropEntity(Morph):
    """Removes an entity that no other node uses, with its records."""

    organ = "ingestors"
    risk = Risk.HIGH

    entity: str
    erase: bool = False

    def in_words(self) -> str:
        """Return the change in words."""
        lost = ", and erases the records" if self.erase else ""
        return f"No longer keeps “{self.entity}”{lost}."

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(writes=frozenset(one.id for one in graph.below(self._id(graph))))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        removed = [one.id for one in graph.below(self._id(graph))]
        require_unused(graph, removed, {Relation.CONTAINS})
        return graph.replace(removed=removed)

    def _id(self, graph: SpecGraph) -> str:
        return graph.find(self.entity, "entity").id

    def migration(self, graph: SpecGraph) -> Migration:
        """Return the change of recorded state."""
        return EntityDropped(self._id(graph), is_reversible=not self.erase)


part = DropEntity
