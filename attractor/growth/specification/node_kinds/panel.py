"""A part of the home screen."""

from attractor.growth.specification.graph import Relation
from attractor.growth.specification.node_kind import ANY_TEXT, FLAG, NodeKind, Targets

part = NodeKind(
    parent="interface",
    key="panels",
    fields={"body": ANY_TEXT, "view": ("table", "board", "calendar"), "count": FLAG},
    relations={
        "shows": Targets(Relation.SHOWS, ("entity", "field", "output")),
        "arranged_by": Targets(Relation.ARRANGED_BY, ("field",), is_one=True),
        "sum": Targets(Relation.SUMS, ("field",)),
    },
)
