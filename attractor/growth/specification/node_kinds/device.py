"""A device that the app serves."""

from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(parent="deployment", key="devices")
