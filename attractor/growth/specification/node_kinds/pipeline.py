"""A sequence of steps of the app."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="workflows", key="pipelines")
