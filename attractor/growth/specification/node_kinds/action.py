"""Something that a user can do."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="interface", key="actions")
