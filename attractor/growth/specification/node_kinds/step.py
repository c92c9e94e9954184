"""A step of a pipeline."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import ANY_TEXT, NodeKind

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
