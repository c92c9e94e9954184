"""An event that starts a pipeline."""

from attractor.growth.spec.node_kind import NodeKind

part = NodeKind(parent="workflows", key="triggers")
