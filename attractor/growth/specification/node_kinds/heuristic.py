"""A rule of thumb."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="personalization", key="heuristics")
