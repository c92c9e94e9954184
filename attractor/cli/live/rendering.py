"""Draws what is known of a run into so many columns and lines: a pure function of the view."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from attractor.base.dataclasses import dataclass
from attractor.cli.live.view import WAITS, WORKS, StageRow, View
from attractor.cli.live.wording import (
    budgets_used,
    headline,
    lasted,
    name_of,
    question_line,
    summary,
    used,
)
from attractor.language.source.text import visible

TALLEST = 30
"""More lines than this are not drawn, however tall the terminal is."""

MOST_QUESTIONS = 3
ROOM_FOR_USAGE = 60
"""From so many columns on a stage's tokens and money have a place."""

_SIGNS: Mapping[str, tuple[str, str, str]] = {
    "success": ("✓", "+", "green"),
    "partial_success": ("≈", "~", "yellow"),
    "fail": ("✗", "x", "red"),
    "retry": ("✗", "x", "red"),
    "skipped": ("-", "-", "dim"),
    WAITS: ("↻", "r", "yellow"),
    WORKS: ("▸", ">", "cyan"),
}
"""The sign of a state, what stands for it where there is no Unicode, and its style."""


@dataclass(frozen=True)
class Look:
    """What there is to draw on."""

    width: int
    height: int
    is_ascii: bool = False


def render(view: View, now: datetime, look: Look) -> Sequence[Text]:
    """Return the lines of the display, none too long, and not more than fit."""
    return _Drawing(view, now, look).lines()


@dataclass(frozen=True)
class _Drawing:
    view: View
    now: datetime
    look: Look

    def lines(self) -> Sequence[Text]:
        most = max(1, min(self.look.height - 1, TALLEST))
        below = [*self._questions(), *self._trouble(), *self._totals()]
        room = max(0, most - 1 - len(below))
        working = self._at_work(room)
        path = self._path(room - len(working))
        spare = room - len(working) - len(path)
        told = self._with_last_lines(working, spare)
        return [self._head(), *path, *told, *below][:most]

    def _head(self) -> Text:
        started = self.view.started or self.now
        passed = lasted((self.now - started).total_seconds())
        return self._line(headline(self.view), passed, style="bold")

    def _path(self, room: int) -> list[Text]:
        """Draw the stages that ended last, and how many ended before them."""
        if room < 1:
            return []
        rows = self.view.path[-room:]
        earlier = self.view.ended - len(rows)
        if not earlier:
            return [self._row(one) for one in rows]
        rows = rows[1:]
        hidden = f"{self.look_like('…', '...')} {self.view.ended - len(rows)} earlier"
        return [self._line(f"  {hidden}", style="dim"), *(self._row(one) for one in rows)]

    def _at_work(self, room: int) -> list[tuple[Text, StageRow | None]]:
        """Draw what is at work, at most in two thirds of the room."""
        rows, most = list(self.view.at_work.values()), max(min(room, 1), room * 2 // 3)
        if len(rows) <= most:
            return [(self._row(one), one) for one in rows]
        shown = rows[: max(0, most - 1)]
        more = f"  {self.look_like('…', '...')} {len(rows) - len(shown)} more at work"
        drawn: list[tuple[Text, StageRow | None]] = [(self._row(one), one) for one in shown]
        return [*drawn, (self._line(more, style="dim"), None)][:most]

    def _with_last_lines(
        self, rows: Sequence[tuple[Text, StageRow | None]], spare: int
    ) -> list[Text]:
        """Give each stage at work its share of what room is left for its last words."""
        drawn: list[Text] = []
        share = spare // len(rows) if rows else 0
        bar = self.look_like("│", "|")
        for line, row in rows:
            drawn.append(line)
            last = row.last_lines[-share:] if row and share else ()
            drawn += [self._line(f"    {bar} {one}", style="dim") for one in last]
        return drawn

    def _row(self, row: StageRow) -> Text:
        unicode, ascii_, style = _SIGNS.get(row.state, ("·", ".", ""))
        is_going_on = row.state in (WORKS, WAITS)
        seconds = (self.now - row.since).total_seconds() if is_going_on else row.seconds
        usage = used(row.usage) if self.look.width >= ROOM_FOR_USAGE else ""
        right = f"{usage}  {lasted(seconds):>7}" if usage else lasted(seconds)
        why = f": {row.why}" if row.why else ""
        sign = self.look_like(unicode, ascii_)
        line = self._line(f"{sign} {name_of(row)}{why}", right)
        line.stylize(style, 0, len(sign))
        return line

    def _questions(self) -> list[Text]:
        asked = list(self.view.questions.values())
        drawn = [
            self._line(f"? {question_line(one)}", style="bold yellow")
            for one in asked[:MOST_QUESTIONS]
        ]
        if len(asked) > MOST_QUESTIONS:
            drawn.append(self._line(f"? {len(asked) - MOST_QUESTIONS} more questions"))
        if any(one.is_parked for one in asked):
            # Without a choice it lists what is asked, with the command for each.
            choice = " CHOICE" if len(asked) == 1 else ""
            drawn.append(self._line(f"  attractor answer {self.view.run_id}{choice}"))
        return drawn

    def _trouble(self) -> list[Text]:
        trouble = self.view.trouble
        return [self._line(f"! {trouble}", style="yellow")] if trouble else []

    def _totals(self) -> list[Text]:
        used_up = budgets_used(self.view.budgets, self.view.used, self._spent())
        budget = f"budget: {', '.join(used_up)}"
        # Each has a line of its own where they are too much for one.
        alone = [f"budget: {one}" for one in used_up]
        told = alone if cell_len(budget) > self.look.width else [budget][: len(used_up)]
        return [self._line(one, style="dim") for one in [summary(self.view), *told]]

    def _spent(self) -> float:
        """Return how long the stages of the walk took: what a budget of time is about."""
        rows = self.view.at_work.values()
        own = [one for one in rows if not one.branch]
        return self.view.seconds + sum((self.now - one.since).total_seconds() for one in own)

    def look_like(self, unicode: str, ascii_: str) -> str:
        """Return a sign as the terminal can show it."""
        return ascii_ if self.look.is_ascii else unicode

    def _line(self, left: str, right: str = "", *, style: str = "") -> Text:
        """Return one line: as much of the left as there is room for, and the right at its end."""
        left, right = self._shown(left), self._shown(right)
        room = self.look.width - (cell_len(right) + 1 if right else 0)
        if right and room < cell_len(left[:1]) + 8:
            right, room = "", self.look.width
        if cell_len(left) > room:
            cut = self.look_like("…", "..")[:room]
            left = set_cell_size(left, max(0, room - len(cut))) + cut
        words = set_cell_size(left, room) + f" {right}" if right else left
        return Text(words, style=style, no_wrap=True, overflow="crop")

    def _shown(self, text: str) -> str:
        """Return a text of which nothing is obeyed by a terminal, in letters that it can show."""
        text = visible(text).replace("\t", " ")
        return text.encode("ascii", "replace").decode() if self.look.is_ascii else text
