"""How long data is kept."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="deployment", key="retention")
