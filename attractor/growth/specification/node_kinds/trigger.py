"""An event that starts a pipeline: a new record of an entity, or a delivery of another program."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(
    parent="workflows",
    key="triggers",
    relations={"reads": Relation.READS, "receives": Relation.WRITES, "runs": Relation.RUNS},
)
