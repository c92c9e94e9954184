"""An event that starts a pipeline: a new record of an entity, or a delivery of another program."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind, Targets

part = NodeKind(
    parent="workflows",
    key="triggers",
    relations={
        "reads": Targets(Relation.READS, ("entity", "field", "output")),
        "receives": Targets(Relation.WRITES, ("entity",), is_one=True),
        "runs": Targets(Relation.RUNS, ("pipeline", "step")),
    },
    needs={"reads": ("runs",), "runs": ("reads", "receives")},
)
