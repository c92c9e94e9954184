"""A rule of thumb."""

from attractor.growth.spec.node_kind import NodeKind

part = NodeKind(parent="personalization", key="heuristics")
