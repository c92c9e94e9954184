"""Limits the records of an entity; records that break the limit stay as they are."""

from typing import Any

from attractor.base.json import Json
from attractor.growth.morph import Morph, Risk, Touched, add_child, new_node
from attractor.growth.specification.graph import Relation, SpecGraph, slug
from attractor.growth.specification.limits import RULES, field_in, read_limit

Value = str | int | float


class AddLimit(Morph):
    """Limits new and changed records of an entity; records that break it stay as they are.

    `not_before` is a date, a number, `today`, or another field.
    """

    organ = "ingestors"
    risk = Risk.MEDIUM
    sentence = "Refuses records of {entity} that break the limit {name}."

    name: str
    entity: str
    of: tuple[str, ...] = ()
    at_most: int | None = None
    unique: bool = False
    between: tuple[Value, ...] = ()
    not_before: Value = ""
    one_of: tuple[Value, ...] = ()

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        changed = self.apply(graph)
        limit = read_limit(changed, changed[slug(self.name) or "limit"])
        entity = changed.parents[limit.id]
        read = {entity, *(f"{entity}.{one}" for one in limit.compared)}
        return Touched(frozenset(read), frozenset({limit.id}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        entity = graph.find(self.entity, "entity").id
        node = new_node(graph, self.name, "limit")
        for rule in self.model_dump(include={*RULES}, exclude_defaults=True):
            # As a document has it: all scalars are text.
            value: Any = getattr(self, rule)
            texts: list[Json] = [*map(str, value)] if rule in ("between", "one_of") else []
            node = node.with_fields(**{rule: texts or ("true" if value is True else str(value))})
        fields = dict.fromkeys(field_in(graph, entity, one).id for one in self.of)
        changed = add_child(graph, entity, node.with_targets(Relation.LIMITS, fields))
        read_limit(changed, changed[node.id])
        return changed


part = AddLimit
