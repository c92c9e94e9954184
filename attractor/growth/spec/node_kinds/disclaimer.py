"""A notice to users."""

from attractor.growth.spec.node_kind import NodeKind

part = NodeKind(parent="safety", key="disclaimers")
