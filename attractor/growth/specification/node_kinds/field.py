"""A field of an entity."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import ANY_TEXT, FLAG, NodeKind, Targets

part = NodeKind(
    parent="entity",
    key="fields",
    fields={
        "type": ("text", "integer", "number", "date", "boolean"),
        "key": FLAG,
        "pii": FLAG,
        "required": FLAG,
        "unit": ANY_TEXT,
        "shown": ANY_TEXT,
    },
    lists=frozenset({"choices"}),
    relations={"refers_to": Targets(Relation.REFERS_TO, ("entity",), is_one=True)},
)
