"""A field of an entity."""

from attractor.growth.specification.node_kind import FLAG, NodeKind

part = NodeKind(
    parent="entity",
    key="fields",
    fields={"type": ("text", "integer", "number", "date", "boolean"), "key": FLAG, "pii": FLAG},
)
