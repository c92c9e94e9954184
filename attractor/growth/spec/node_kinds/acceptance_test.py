"""A sentence that must hold for the app."""

from attractor.growth.spec.graph import Relation
from attractor.growth.spec.node_kind import NodeKind

part = NodeKind(
    parent="domain",
    key="acceptance_tests",
    relations={"tests": Relation.TESTS},
)
