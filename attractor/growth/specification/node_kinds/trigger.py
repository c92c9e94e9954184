"""An event that starts a pipeline."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="workflows", key="triggers")
