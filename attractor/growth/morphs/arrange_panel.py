"""Shows a panel as a board or a calendar by a field, or as a table."""

from typing import Literal

from attractor.growth.errors import InvalidMorph
from attractor.growth.morph import Morph, Touched, field_slot, targets_of
from attractor.growth.specification.graph import Relation, SpecGraph


class ArrangePanel(Morph):
    """Shows a panel as a board or a calendar by a field, or as a table."""

    organ = "surfaces"

    panel: str
    view: Literal["table", "board", "calendar"]
    by: str = ""

    def in_words(self) -> str:
        """Return the change in words."""
        by = f" by “{self.by}”" if self.by else ""
        return f"Shows “{self.panel}” as a {self.view}{by}."

    def touched(self, graph: SpecGraph) -> Touched:
        """Read the field, and write the view of the panel."""
        panel, fields = self._find(graph)
        return Touched(frozenset({panel, *fields}), frozenset({field_slot("view", panel)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        panel, fields = self._find(graph)
        if bool(fields) != (self.view != "table"):
            fault = f"arrange_panel: a {self.view} of {panel} and a field do not go together"
            raise InvalidMorph(fault, hint="boards and calendars need `by`, tables need none")
        if self.view == "calendar" and graph[fields[0]].fields.get("type") != "date":
            fault = f"arrange_panel: {fields[0]} is no date"
            raise InvalidMorph(fault, hint="name a field of the type date")
        node = graph[panel].with_fields(view=self.view)
        return graph.replace(node.with_targets(Relation.ARRANGED_BY, fields))

    def _find(self, graph: SpecGraph) -> tuple[str, list[str]]:
        panel = graph.find(self.panel, "panel").id
        return panel, targets_of(graph, [self.by] if self.by else [], "panel", "arranged_by")


part = ArrangePanel
