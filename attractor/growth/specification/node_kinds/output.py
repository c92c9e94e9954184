"""A result of the app."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind, Targets

part = NodeKind(
    parent="workflows",
    key="outputs",
    relations={"reads": Targets(Relation.READS, ("entity", "field", "output"))},
)
