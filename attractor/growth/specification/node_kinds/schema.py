"""A format that data must have."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="data_contracts", key="schemas")
