"""Shows a panel as a board or a calendar by a field, or as a table, which may have totals."""

from typing import Literal

from attractor.growth.errors import InvalidMorph
from attractor.growth.morph import Morph, Touched, field_slot, targets_of
from attractor.growth.specification.graph import Relation, SpecGraph


class ArrangePanel(Morph):
    """Shows a panel as a board or a calendar by a field, or as a table, which may have totals."""

    organ = "surfaces"

    panel: str
    view: Literal["table", "board", "calendar"]
    by: str = ""
    """The field of the columns or days, or of the groups of totals."""
    count: bool = False
    sum: tuple[str, ...] = ()

    def in_words(self) -> str:
        """Return the change in words."""
        sums = [f"the sum of “{one}”" for one in self.sum]
        totals = " and ".join([*["the number"][: self.count], *sums])
        by = f" by “{self.by}”" if self.by else ""
        return f"Shows “{self.panel}” as a {self.view}{' with ' if totals else ''}{totals}{by}."

    def touched(self, graph: SpecGraph) -> Touched:
        """Read the fields, and write the view of the panel."""
        panel, by, sums = self._find(graph)
        return Touched(frozenset({panel, *by, *sums}), frozenset({field_slot("view", panel)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        panel, by, sums = self._find(graph)
        has_totals = self.count or bool(sums)
        if (has_totals and self.view != "table") or bool(by) < (self.view != "table"):
            fault = f"arrange_panel: a {self.view} of {panel} and these values do not go together"
            raise InvalidMorph(fault, hint="boards and calendars need `by`; tables have totals")
        if by and self.view == "table" and not has_totals:
            fault = f"arrange_panel: the table {panel} has no totals by {by[0]}"
            raise InvalidMorph(fault, hint="give `count` or `sum`, or leave out `by`")
        if self.view == "calendar" and graph[by[0]].fields.get("type") != "date":
            fault = f"arrange_panel: {by[0]} is no date"
            raise InvalidMorph(fault, hint="name a field of the type date")
        node = graph[panel]
        view = self.view if self.view != "table" or "view" in node.fields else None
        node = node.with_fields(view=view, count="true" if self.count else None)
        node = node.with_targets(Relation.ARRANGED_BY, by)
        return graph.replace(node.with_targets(Relation.SUMS, sums))

    def _find(self, graph: SpecGraph) -> tuple[str, list[str], list[str]]:
        panel = graph.find(self.panel, "panel").id
        by = targets_of(graph, [self.by] if self.by else [], "panel", "arranged_by")
        return panel, by, targets_of(graph, self.sum, "panel", "sum")


part = ArrangePanel
