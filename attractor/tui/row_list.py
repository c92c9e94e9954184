"""The list on the left: lines with ids, one of them chosen.

The list of textual measures all lines after each change: 100 actors took 130 ms of processor time.
"""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from attractor.base.dataclasses import dataclass

FAR = 1 << 30


@dataclass(frozen=True)
class Line:
    """A line, and the id of its row; a heading has none."""

    row_id: str
    text: str


class RowList(ScrollView, can_focus=True):
    """Lines of which a person chooses one; only changed lines are drawn again."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"row-list--heading", "row-list--chosen"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up"),
        Binding("down", "move(1)", "Down"),
        Binding("pageup", "move(-10)", "Ten up"),
        Binding("pagedown", "move(10)", "Ten down"),
        Binding("home", f"move(-{FAR})", "First"),
        Binding("end", f"move({FAR})", "Last"),
        Binding("enter", "open", "Open"),
    ]

    class Chosen(Message):
        """Another row was chosen."""

        def __init__(self, row_id: str) -> None:
            super().__init__()
            self.row_id = row_id

    class Opened(Message):
        """The chosen row is to be opened."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.lines: Sequence[Line] = ()
        self.chosen_id = ""

    def show(self, lines: Sequence[Line], chosen_id: str) -> None:
        """Show lines, and draw those again that changed."""
        old, was, self.lines, self.chosen_id = self.lines, self.chosen_id, lines, chosen_id
        if len(old) != len(lines):
            self.virtual_size = Size(0, len(lines))
        width, top = self.size.width, self.scroll_offset.y
        changed = [
            Region(0, place - top, width, 1)
            for place in range(max(len(old), len(lines)))
            if old[place : place + 1] != lines[place : place + 1]
            or (was != chosen_id and lines[place].row_id in (was, chosen_id))
        ]
        if changed:
            self.refresh(*changed)
        if was != chosen_id:
            self.scroll_to_region(Region(0, self._place, width, 1), animate=False)

    @property
    def _place(self) -> int:
        """The place of the chosen row; 0 without one."""
        ids = [line.row_id for line in self.lines]
        return ids.index(self.chosen_id) if self.chosen_id in ids else 0

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen."""
        width, place = self.size.width, y + self.scroll_offset.y
        if place >= len(self.lines):
            return Strip.blank(width, self.visual_style.rich_style)
        # The rich_style of a widget is computed from all its ancestors each time.
        line, style = self.lines[place], self.visual_style.rich_style
        if not line.row_id:
            style = self.get_component_rich_style("row-list--heading")
        elif line.row_id == self.chosen_id:
            style = self.get_component_rich_style("row-list--chosen")
        return Strip([Segment(line.text, style)]).adjust_cell_length(width, style)

    def action_move(self, by: int) -> None:
        """Choose the row so many rows below."""
        rows = [line.row_id for line in self.lines if line.row_id]
        if rows:
            place = rows.index(self.chosen_id) if self.chosen_id in rows else 0
            self.post_message(self.Chosen(rows[max(0, min(place + by, len(rows) - 1))]))

    def action_open(self) -> None:
        """Open the chosen row."""
        self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse."""
        found = self.lines[event.y + self.scroll_offset.y :][:1]
        if found and found[0].row_id:
            self.post_message(self.Chosen(found[0].row_id))
