"""A habit or style that a user wants."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="personalization", key="preferences")
