"""Data about persons that needs care."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="data_contracts", key="pii_flags")
