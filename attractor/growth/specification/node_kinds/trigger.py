"""An event that starts a pipeline, such as a new record of an entity."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(
    parent="workflows",
    key="triggers",
    relations={"reads": Relation.READS, "runs": Relation.RUNS},
)
