"""A degree of trust in sources."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="evidence_policy", key="trust_tiers")
