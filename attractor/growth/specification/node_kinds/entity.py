"""A kind of record of the app."""

from attractor.growth.specification.node_kind import ANY_TEXT, NodeKind

part = NodeKind(parent="data_contracts", key="entities", fields={"shown": ANY_TEXT})
