"""A step of a pipeline."""

from attractor.growth.spec.graph import Relation
from attractor.growth.spec.node_kind import ANY_TEXT, NodeKind

part = NodeKind(
    parent="pipeline",
    key="steps",
    fields={"rule": ANY_TEXT, "strategy": ANY_TEXT, "body": ANY_TEXT},
    relations={
        "reads": Relation.READS,
        "writes": Relation.WRITES,
        "guards": Relation.GUARDS,
    },
)
