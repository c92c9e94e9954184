"""A rule that the app never breaks."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(
    parent="safety",
    key="guardrails",
    relations={"guards": Relation.GUARDS},
)
