"""Changes the type of a field, its key or pii flag; recorded values are converted."""

from collections.abc import Mapping
from typing import Self

from pydantic import JsonValue, model_validator

from attractor.base.json import Json
from attractor.growth.conversion import FieldType, fits
from attractor.growth.migration import FieldRetyped, Migration, Unfit
from attractor.growth.morph import Morph, Risk, Touched, field_of, keys_of
from attractor.growth.specification.graph import SpecGraph

_KINDS: Mapping[FieldType, str] = {
    "text": "a text",
    "integer": "a whole number",
    "number": "a number",
    "date": "a date",
    "boolean": "a yes or no",
}


class RetypeField(Morph):
    """Changes the type of a field, its key or pii flag; recorded values are converted.

    Values that do not fit refuse the deployment, become the default, or are kept aside.
    """

    organ = "ingestors"
    risk = Risk.MEDIUM

    entity: str
    field: str
    field_type: FieldType | None = None
    pii: bool | None = None
    key: bool | None = None
    unfit: Unfit = Unfit.REFUSE
    default: JsonValue = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.field_type is None and self.pii is None and self.key is None:
            raise ValueError("name field_type, pii or key")
        if self.field_type is None and self.unfit is not Unfit.REFUSE:
            raise ValueError("unfit and field_type belong together")
        if (self.unfit is Unfit.DEFAULT) != (self.default is not None):
            raise ValueError("a default and unfit 'default' belong together")
        if self.field_type and not fits(self.default, self.field_type):
            raise ValueError(f"the default is not of type {self.field_type}")
        return self

    def in_words(self) -> str:
        """Return the change in words."""
        words = [f"is {_KINDS[self.field_type]} now"] if self.field_type else []
        if self.pii is not None:
            words.append(f"is {'' if self.pii else 'no longer '}kept as personal")
        if self.key is not None:
            words.append(f"{'is' if self.key else 'is no longer'} how a record is found")
        return f"“{self.field}” of “{self.entity}” {' and '.join(words)}."

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        field = field_of(graph, self.entity, self.field)
        return Touched(frozenset({graph.parents[field]}), frozenset({field}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        field = graph[field_of(graph, self.entity, self.field)]
        changed: dict[str, Json] = {"type": self.field_type} if self.field_type else {}
        flags = {"pii": self.pii, "key": self.key}
        changed |= {name: "true" if one else None for name, one in flags.items() if one is not None}
        return graph.replace(field.with_fields(**changed))

    def migration(self, graph: SpecGraph) -> Migration | None:
        """Return the change of recorded state; a pii flag changes none."""
        if self.field_type is None and self.key is None:
            return None
        node = graph[field_of(graph, self.entity, self.field)]
        entity, _, field = node.id.partition(".")
        before = str(node.fields.get("type", "text"))
        after = keys_of(self.apply(graph), entity)
        return FieldRetyped(
            entity,
            field,
            before,
            self.field_type or before,
            unfit=self.unfit,
            default=self.default,
            keys=after if field in {*keys_of(graph, entity), *after} else (),
        )


part = RetypeField
