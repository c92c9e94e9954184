"""A time at which the app works."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="deployment", key="schedules")
