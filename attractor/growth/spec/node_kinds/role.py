"""A group of users."""

from attractor.growth.spec.node_kind import NodeKind

part = NodeKind(parent="interface", key="roles")
