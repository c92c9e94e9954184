"""A step of a pipeline."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import ANY_TEXT, NodeKind, Targets

part = NodeKind(
    parent="pipeline",
    key="steps",
    fields={"rule": ANY_TEXT, "strategy": ANY_TEXT, "body": ANY_TEXT},
    relations={
        "reads": Targets(Relation.READS, ("entity", "field", "source", "output")),
        "writes": Targets(Relation.WRITES, ("entity", "field", "source")),
        "guards": Targets(Relation.GUARDS, ("step", "entity", "source", "pipeline")),
    },
)
