"""A result of the app."""

from attractor.growth.spec.graph import Relation
from attractor.growth.spec.node_kind import NodeKind

part = NodeKind(
    parent="workflows",
    key="outputs",
    relations={"reads": Relation.READS},
)
