"""A notice to users."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="safety", key="disclaimers")
