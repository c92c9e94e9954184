"""Removes a field that no other node uses."""

from pydantic import JsonValue

from attractor.growth.migration import FieldDropped, Migration
from attractor.growth.morph import Morph, Risk, Touched, field_of, keys_of, require_unused
from attractor.growth.specification.graph import Relation, SpecGraph


class DropField(Morph):
    """Removes a field that no other node uses."""

    organ = "ingestors"
    risk = Risk.HIGH

    entity: str
    field: str
    erase: bool = False
    default: JsonValue = None

    def in_words(self) -> str:
        """Return the change in words."""
        lost = ", and erases the values" if self.erase else ""
        return f"Removes “{self.field}” from “{self.entity}”{lost}."

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        field = field_of(graph, self.entity, self.field)
        return Touched(frozenset({graph.parents[field]}), frozenset({field}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        field = field_of(graph, self.entity, self.field)
        require_unused(graph, [field], {Relation.CONTAINS})
        return graph.replace(removed=[field])

    def migration(self, graph: SpecGraph) -> Migration:
        """Return the change of recorded state."""
        entity, _, field = field_of(graph, self.entity, self.field).partition(".")
        keys = keys_of(graph, entity)
        others = tuple(key for key in keys if key != field) if field in keys else ()
        return FieldDropped(entity, field, self.default, is_reversible=not self.erase, keys=others)


part = DropField
