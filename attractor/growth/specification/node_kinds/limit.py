"""A limit of the records of an entity, which a write that breaks it says to the person."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import ANY_TEXT, FLAG, NodeKind, Targets

part = NodeKind(
    parent="entity",
    key="limits",
    fields={"at_most": ANY_TEXT, "unique": FLAG, "not_before": ANY_TEXT},
    lists=frozenset({"between", "one_of"}),
    relations={"of": Targets(Relation.LIMITS, ("field",))},
)
