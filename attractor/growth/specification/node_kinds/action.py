"""Something that a user can do: a button that runs a pipeline, or one step of it with its gates."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import FLAG, NodeKind, Targets

part = NodeKind(
    parent="interface",
    key="actions",
    fields={"confirm": FLAG},
    relations={"runs": Targets(Relation.RUNS, ("pipeline", "step"), is_one=True)},
)
