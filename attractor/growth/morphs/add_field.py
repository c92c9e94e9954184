"""Adds a field to an entity; recorded state gets the default."""

from pydantic import JsonValue

from attractor.growth.conversion import FieldType, has_type
from attractor.growth.errors import InvalidMorph
from attractor.growth.migration import FieldAdded, Migration
from attractor.growth.morph import Morph, Touched, add_child, keys_of, new_node
from attractor.growth.specification.graph import SpecGraph, slug


class AddField(Morph):
    """Adds a field to an entity; recorded state gets the default."""

    organ = "ingestors"

    entity: str
    name: str
    field_type: FieldType = "text"
    pii: bool = False
    key: bool = False
    default: JsonValue = None

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        entity = graph.find(self.entity, "entity").id
        return Touched(frozenset({entity}), frozenset({f"{entity}.{slug(self.name)}"}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        entity = graph.find(self.entity, "entity").id
        flags = {name: "true" for name in ("pii", "key") if getattr(self, name)}
        if not has_type(self.default, self.field_type):
            fault = f"add_field: the default {self.default!r} of {self.name!r} has another type"
            raise InvalidMorph(fault, hint=f"write a default of type {self.field_type}, or none")
        id_ = f"{entity}.{slug(self.name)}"
        field = new_node(graph, self.name, "field", id_=id_, type=self.field_type, **flags)
        return add_child(graph, entity, field)

    def migration(self, graph: SpecGraph) -> Migration:
        """Return the change of recorded state."""
        entity = graph.find(self.entity, "entity").id
        keys = keys_of(self.apply(graph), entity) if self.key else ()
        return FieldAdded(entity, slug(self.name), self.default, type=self.field_type, keys=keys)


part = AddField
