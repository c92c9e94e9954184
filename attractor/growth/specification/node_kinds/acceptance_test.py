"""A sentence that must hold for the app."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind, Targets

part = NodeKind(
    parent="domain",
    key="acceptance_tests",
    relations={"tests": Targets(Relation.TESTS, ())},
)
