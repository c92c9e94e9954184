"""A part of the home screen."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import ANY_TEXT, NodeKind

part = NodeKind(
    parent="interface",
    key="panels",
    fields={"body": ANY_TEXT, "view": ("table", "board", "calendar")},
    relations={"shows": Relation.SHOWS, "arranged_by": Relation.ARRANGED_BY},
)
