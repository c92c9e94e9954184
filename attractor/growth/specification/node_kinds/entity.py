"""A kind of record of the app."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="data_contracts", key="entities")
