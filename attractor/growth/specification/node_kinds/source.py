"""A source of data or evidence."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="evidence_policy", key="sources")
