"""A sentence that must hold for the app."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(
    parent="domain",
    key="acceptance_tests",
    relations={"tests": Relation.TESTS},
)
