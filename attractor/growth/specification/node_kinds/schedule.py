"""A time at which the app works: `when` has five fields of cron, in the zone of the machine."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import ANY_TEXT, NodeKind

part = NodeKind(
    parent="deployment",
    key="schedules",
    fields={"when": ANY_TEXT},
    relations={"runs": Relation.RUNS},
)
