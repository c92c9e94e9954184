"""A group of users, and what they may see, do and edit."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import NodeKind

part = NodeKind(
    parent="interface",
    key="roles",
    relations={"sees": Relation.SEES, "does": Relation.DOES, "edits": Relation.EDITS},
)
