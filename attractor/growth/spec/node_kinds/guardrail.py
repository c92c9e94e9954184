"""A rule that the app never breaks."""

from attractor.growth.spec.graph import Relation
from attractor.growth.spec.node_kind import NodeKind

part = NodeKind(
    parent="safety",
    key="guardrails",
    relations={"guards": Relation.GUARDS},
)
