"""Adds a field to an entity; recorded state gets the default."""

from pydantic import JsonValue

from attractor.base.json import Json
from attractor.growth.conversion import FieldType, convert, has_type
from attractor.growth.errors import InvalidMorph
from attractor.growth.migration import FieldAdded, Migration
from attractor.growth.morph import Morph, Touched, add_child, keys_of
from attractor.growth.new_field import NewField
from attractor.growth.specification.graph import SpecGraph, slug


class AddField(Morph):
    """Adds a field to an entity; recorded state gets the default."""

    organ = "ingestors"
    sentence = "Adds {name} to {entity}."

    entity: str
    name: str
    field_type: FieldType = "text"
    pii: bool = False
    key: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()
    unit: str = ""
    refers_to: str = ""
    shown: str = ""
    default: JsonValue = None

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        entity = graph.find(self.entity, "entity").id
        read = {entity, *self._field.referred(graph)}
        return Touched(frozenset(read), frozenset({f"{entity}.{slug(self.name)}"}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        entity = graph.find(self.entity, "entity").id
        if not has_type(self._default, self.field_type):
            fault = f"add_field: the default {self.default!r} of {self.name!r} has another type"
            raise InvalidMorph(fault, hint=f"write a default of type {self.field_type}, or none")
        field = self._field.node(graph, entity).with_fields(type=self.field_type)
        return add_child(graph, entity, field)

    @property
    def _field(self) -> NewField:
        given = {key: getattr(self, key) for key in NewField.model_fields if hasattr(self, key)}
        return NewField(type=self.field_type, **given)

    @property
    def _default(self) -> Json:
        """The default; a model writes "false" for false, and "3" for 3."""
        is_plain = self.field_type in ("text", "date") or not isinstance(self.default, str)
        return self.default if is_plain else convert(self.default, self.field_type)

    def migration(self, graph: SpecGraph) -> Migration:
        """Return the change of recorded state."""
        entity = graph.find(self.entity, "entity").id
        keys = keys_of(self.apply(graph), entity) if self.key else ()
        return FieldAdded(entity, slug(self.name), self._default, type=self.field_type, keys=keys)


part = AddField
