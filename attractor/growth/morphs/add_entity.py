"""Adds an entity with fields."""

from pydantic import BaseModel, ConfigDict

from attractor.growth.conversion import FieldType
from attractor.growth.migration import EntityAdded, Migration
from attractor.growth.morph import Morph, Touched, add_child, new_node
from attractor.growth.specification.graph import SpecGraph, slug


class NewField(BaseModel):
    """A field of a new entity, as in a specification document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: FieldType = "text"
    key: bool = False
    pii: bool = False

    def values(self) -> dict[str, str]:
        """Return the values of the node beside its name; a plain text field has none."""
        flags = {name: "true" for name in ("key", "pii") if getattr(self, name)}
        return {**({"type": self.type} if self.type != "text" else {}), **flags}


class AddEntity(Morph):
    """Adds an entity with fields."""

    organ = "ingestors"

    name: str
    fields: tuple[str | NewField, ...]

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(writes=frozenset({slug(self.name)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        entity = new_node(graph, self.name, "entity")
        graph = add_child(graph, "data_contracts", entity)
        for one in self.fields:
            field = NewField(name=one) if isinstance(one, str) else one
            id_ = f"{entity.id}.{slug(field.name)}"
            node = new_node(graph, field.name, "field", id_=id_, **field.values())
            graph = add_child(graph, entity.id, node)
        return graph

    def migration(self, graph: SpecGraph) -> Migration:
        """Return the change of recorded state."""
        return EntityAdded(slug(self.name))


part = AddEntity
