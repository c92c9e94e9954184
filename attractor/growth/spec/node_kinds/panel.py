"""A part of the home screen."""

from attractor.growth.spec.graph import Relation
from attractor.growth.spec.node_kind import NodeKind

part = NodeKind(
    parent="interface",
    key="panels",
    relations={"shows": Relation.SHOWS},
)
