"""A time at which the app works: `when` has five fields of cron, in the zone of the machine."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import ANY_TEXT, NodeKind, Targets

part = NodeKind(
    parent="deployment",
    key="schedules",
    fields={"when": ANY_TEXT},
    relations={"runs": Targets(Relation.RUNS, ("pipeline", "step"))},
    needs={"runs": ("when",), "when": ("runs",)},
)
