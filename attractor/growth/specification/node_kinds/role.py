"""A group of users."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="interface", key="roles")
