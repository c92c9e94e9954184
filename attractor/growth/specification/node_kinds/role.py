"""A group of users, and what they may see, do and edit."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind, Targets

part = NodeKind(
    parent="interface",
    key="roles",
    relations={
        "sees": Targets(Relation.SEES, ("panel", "entity", "field", "output")),
        "does": Targets(Relation.DOES, ("action", "pipeline")),
        "edits": Targets(Relation.EDITS, ("entity",)),
    },
)
