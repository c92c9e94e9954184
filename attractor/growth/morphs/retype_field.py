"""Changes the type of a field; recorded values are converted."""

from typing import Literal

from attractor.growth.migration import FieldRetyped, Migration
from attractor.growth.morph import Morph, Risk, Touched, field_of
from attractor.growth.specification.graph import SpecGraph


class RetypeField(Morph):
    """Changes the type of a field; recorded values are converted."""

    organ = "ingestors"
    risk = Risk.MEDIUM

    entity: str
    field: str
    field_type: Literal["text", "integer", "number", "date", "boolean"]

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        field = field_of(graph, self.entity, self.field)
        return Touched(frozenset({graph.parents[field]}), frozenset({field}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        field = graph[field_of(graph, self.entity, self.field)]
        return graph.replace(field.with_fields(type=self.field_type))

    def migration(self, graph: SpecGraph) -> Migration:
        """Return the change of recorded state."""
        node = graph[field_of(graph, self.entity, self.field)]
        entity, _, field = node.id.partition(".")
        return FieldRetyped(entity, field, str(node.fields.get("type", "text")), self.field_type)


part = RetypeField
