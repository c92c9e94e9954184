"""Adds an entity with fields."""

from attractor.growth.migration import EntityAdded, Migration
from attractor.growth.morph import Morph, Touched, add_child, new_node
from attractor.growth.specification.graph import SpecGraph, slug


class AddEntity(Morph):
    """Adds an entity with fields."""

    organ = "ingestors"

    name: str
    fields: tuple[str, ...]

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(writes=frozenset({slug(self.name)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        entity = new_node(graph, self.name, "entity")
        graph = add_child(graph, "data_contracts", entity)
        for words in self.fields:
            field = new_node(graph, words, "field", id_=f"{entity.id}.{slug(words)}")
            graph = add_child(graph, entity.id, field)
        return graph

    def migration(self, graph: SpecGraph) -> Migration:
        """Return the change of recorded state."""
        return EntityAdded(slug(self.name))


part = AddEntity
