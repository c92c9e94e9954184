"""A rule that the app never breaks."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind, Targets

part = NodeKind(
    parent="safety",
    key="guardrails",
    relations={
        "guards": Targets(
            Relation.GUARDS, ("entity", "field", "output", "pipeline", "source", "step")
        )
    },
)
