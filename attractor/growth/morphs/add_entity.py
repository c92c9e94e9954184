"""Adds an entity with fields."""

from attractor.growth.migration import EntityAdded, Migration
from attractor.growth.morph import Morph, Touched, add_child, new_node
from attractor.growth.new_field import NewField
from attractor.growth.specification.graph import SpecGraph, slug


class AddEntity(Morph):
    """Adds an entity with fields."""

    organ = "ingestors"
    sentence = "Keeps a new kind of record: {name}, with {fields}."

    name: str
    fields: tuple[str | NewField, ...]

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        new = (one for one in self.fields if not isinstance(one, str))
        referred = {id_ for one in new for id_ in one.referred(graph)}
        return Touched(frozenset(referred), frozenset({slug(self.name)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        entity = new_node(graph, self.name, "entity")
        graph = add_child(graph, "data_contracts", entity)
        for one in self.fields:
            field = NewField(name=one) if isinstance(one, str) else one
            graph = add_child(graph, entity.id, field.node(graph, entity.id))
        return graph

    def migration(self, graph: SpecGraph) -> Migration:
        """Return the change of recorded state."""
        return EntityAdded(slug(self.name))


part = AddEntity
