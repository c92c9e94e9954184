"""Renders the live display of a run, with the last output lines of stages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.cli.runs.live.state import (
    WAITS,
    WORKS,
    PendingQuestion,
    RunView,
    StageKey,
    StageRow,
    fold,
)
from attractor.engine.budgets import Budgets
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.run_folder.layout import CHILDREN, RunDirectory, read_manifest
from attractor.engine.stage.folder import MOST_LINES, TAIL
from attractor.language.source.text import visible
from attractor.records.open_work import (
    LAST_LINES,
    attempt_folder,
    describe_model_wait,
    last_output,
    shown_lines,
)


def lasted(seconds: float) -> str:
    """Return a duration, in whole seconds from one second on."""
    if seconds < 1:
        return f"{max(0.0, seconds):.1f}s"
    return describe_duration(timedelta(seconds=int(seconds)))


def counted(number: int) -> str:
    """Return a number of tokens as text with about three digits."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= 1000 * size:
            return f"{number // size}{unit}"
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def price(dollars: float) -> str:
    """Return an amount of money."""
    rounded = round(dollars, 4)
    return f"${rounded:.2f}" if rounded >= 0.01 or not dollars else f"${rounded:.4f}"


def tokens_of(usage: Usage) -> int:
    """Return the total number of tokens."""
    return usage.input_tokens + usage.output_tokens


def used(usage: Usage) -> str:
    """Return the model usage as text, or an empty text if no model was used."""
    if usage == NOTHING_USED:
        return ""
    return f"{counted(tokens_of(usage))} tok {_cost(usage)}".rstrip()


def _cost(usage: Usage) -> str:
    known = price(usage.cost_usd) if usage.cost_usd else ""
    unknown = f"{known} + unknown" if known else "cost unknown"
    return unknown if usage.unpriced_tokens else known


def name_of(row: StageRow) -> str:
    """Return the branch, node, visit and attempt of a row."""
    branch = f"[{row.branch}] " if row.branch else ""
    visit = f"@{row.visit}" if row.visit > 1 else ""
    attempt = f", attempt {row.attempt}" if row.attempt > 1 else ""
    return f"{branch}{row.node}{visit}{attempt}"


def headline(view: RunView) -> str:
    """Return the pipeline and status of a run."""
    status = "paused" if view.is_paused else view.status
    words = [view.pipeline or view.run_id, status]
    reason = f": {view.reason}" if view.reason else ""
    return ", ".join(filter(None, words)) + reason


def summary(view: RunView) -> str:
    """Return the progress of a run."""
    return ", ".join(filter(None, _summary(view)))


def _summary(view: RunView) -> Iterator[str]:
    yield f"{view.ended} stage{'' if view.ended == 1 else 's'}"
    yield f"{view.failed} failed" if view.failed else ""
    yield f"{len(view.at_work)} running" if view.at_work else ""
    if (usage := view.used) != NOTHING_USED:
        estimated = usage.estimated_tokens
        about = f" ({counted(estimated)} estimated)" if estimated else ""
        yield f"{counted(tokens_of(usage))} tokens{about}"
        yield _cost(usage)
    trials = view.trials
    yield f"{trials.satisfied} of {trials.played} trials satisfied" if trials.played else ""
    yield f"{trials.left} to go, about {lasted(trials.seconds_left)}" if trials.left else ""
    yield trials.gate


def budgets_used(budgets: Budgets, usage: Usage, seconds: float) -> Sequence[str]:
    """Return the used amount and the limit of each budget."""
    lines_told: list[str] = []
    if budgets.cost_usd is not None:
        lines_told.append(f"{price(usage.cost_usd)} of {price(budgets.cost_usd)}")
    if budgets.tokens is not None:
        lines_told.append(f"{counted(tokens_of(usage))} of {counted(budgets.tokens)} tokens")
    if budgets.duration is not None:
        lines_told.append(f"{lasted(seconds)} of {lasted(budgets.duration.total_seconds())}")
    return lines_told


def question_line(asked: PendingQuestion) -> str:
    """Return a question and its choices as one line."""
    where = f" ({'; '.join(asked.where)})" if asked.where else ""
    return "  ".join([f"{asked.stage}: {asked.text}{where}", *asked.choices])


TALLEST = 30
"""The maximum number of lines of the display."""

MOST_QUESTIONS = 3
ROOM_FOR_USAGE = 60
"""The minimum width at which tokens and cost of a stage are shown."""

_SIGNS: Mapping[str, tuple[str, str, str]] = {
    "success": ("✓", "+", "green"),
    "partial_success": ("≈", "~", "yellow"),
    "fail": ("✗", "x", "red"),
    "retry": ("✗", "x", "red"),
    "skipped": ("-", "-", "dim"),
    WAITS: ("↻", "r", "yellow"),
    WORKS: ("▸", ">", "cyan"),
}
"""The Unicode sign, the ASCII sign and the style of each state."""


@dataclass(frozen=True)
class DisplaySize:
    """The size of the terminal, and whether the terminal is limited to ASCII."""

    width: int
    height: int
    is_ascii: bool = False


def render(view: RunView, now: datetime, look: DisplaySize) -> Sequence[Text]:
    """Return the lines of the display, cut to the size of the terminal."""
    return _Drawing(view, now, look).lines()


@dataclass(frozen=True)
class _Drawing:
    view: RunView
    now: datetime
    look: DisplaySize

    def lines(self) -> Sequence[Text]:
        most = max(1, min(self.look.height - 1, TALLEST))
        below = [*self._questions(), *self._trouble(), *self._totals()]
        room = max(0, most - 1 - len(below))
        working = self._at_work(room)
        path = self._path(room - len(working))
        spare = room - len(working) - len(path)
        lines_told = self._with_last_lines(working, spare)
        return [self._head(), *path, *lines_told, *below][:most]

    def _head(self) -> Text:
        started = self.view.started or self.now
        passed = lasted((self.now - started).total_seconds())
        return self._line(headline(self.view), passed, style="bold")

    def _path(self, room: int) -> list[Text]:
        """Draw the last ended stages and the number of earlier ended stages."""
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
        """Draw running stages, in at most two thirds of the available lines."""
        rows, most = list(self.view.at_work.values()), max(min(room, 1), room * 2 // 3)
        if len(rows) <= most:
            return [(self._row(one), one) for one in rows]
        shown = rows[: max(0, most - 1)]
        more = f"  {self.look_like('…', '...')} {len(rows) - len(shown)} more running"
        drawn: list[tuple[Text, StageRow | None]] = [(self._row(one), one) for one in shown]
        return [*drawn, (self._line(more, style="dim"), None)][:most]

    def _with_last_lines(
        self, rows: Sequence[tuple[Text, StageRow | None]], spare: int
    ) -> list[Text]:
        """Share the remaining lines of the display among the output of running stages."""
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
        wait = describe_model_wait(row.calling_since, self.now) if row.state == WORKS else ""
        why = f": {row.why or wait}" if row.why or wait else ""
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
            drawn.append(self._line(f"? {number_of(len(asked) - MOST_QUESTIONS, 'more question')}"))
        if any(one.is_parked for one in asked):
            # Without a choice, the command lists the open questions.
            choice = " CHOICE" if len(asked) == 1 else ""
            drawn.append(self._line(f"  attractor answer {self.view.run_id}{choice}"))
        return drawn

    def _trouble(self) -> list[Text]:
        trouble = self.view.trouble
        return [self._line(f"! {trouble}", style="yellow")] if trouble else []

    def _totals(self) -> list[Text]:
        used_up = budgets_used(self.view.budgets, self.view.used, self._spent())
        budget = f"budget: {', '.join(used_up)}"
        # Budgets that do not fit into one line are shown on one line each.
        alone = [f"budget: {one}" for one in used_up]
        lines_told = alone if cell_len(budget) > self.look.width else [budget][: len(used_up)]
        return [self._line(one, style="dim") for one in [summary(self.view), *lines_told]]

    def _spent(self) -> float:
        """Return the total duration of stages and evaluations, as counted by a time budget."""
        rows = self.view.at_work.values()
        own = [one for one in rows if not one.branch]
        working = sum((self.now - one.since).total_seconds() for one in own)
        return self.view.seconds + self.view.trials.seconds + working

    def look_like(self, unicode: str, ascii_: str) -> str:
        """Return the Unicode sign if the terminal supports it, otherwise the ASCII sign."""
        return ascii_ if self.look.is_ascii else unicode

    def _line(self, left: str, right: str = "", *, style: str = "") -> Text:
        """Return one line: the left text (cut if necessary), and the right text at the end."""
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
        """Return a text with escaped control characters, in supported characters."""
        text = visible(text).replace("\t", " ")
        return text.encode("ascii", "replace").decode() if self.look.is_ascii else text


MOST_READ = 100
"""The maximum number of cached files."""

_Signature = tuple[int, int, int]


class LastLines:
    """The last output lines of running stages in one run and its child runs.

    A file is only read again after a change of the file. `places` are the known run directories.
    """

    def __init__(self, places: Mapping[str, Path] | None = None) -> None:
        self._places = dict(places or {})
        self._looked_at: set[Path] = set()
        self._read: dict[Path, tuple[_Signature, tuple[str, ...]]] = {}

    def know(self, run_id: str, root: Path) -> None:
        """Add a run directory."""
        self._places.setdefault(run_id, root)

    def seen(self, view: RunView) -> RunView:
        """Return a view whose running stages contain their last output lines."""
        rows = {
            key: replace(row, last_lines=lines)
            for key, row in view.at_work.items()
            if (lines := self.lines(key[0], row))
        }
        return replace(view, at_work={**view.at_work, **rows}) if rows else view

    def lines(self, run_id: str, row: StageRow, most: int = LAST_LINES) -> tuple[str, ...]:
        """Return the last output lines of one running stage."""
        root = self._place(run_id)
        if root is None:
            return ()
        folder = attempt_folder(RunDirectory(root), row.node, row.visit, row.attempt)
        try:
            found = (folder / TAIL).lstat()
        except OSError:
            return ()
        signature = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._read.get(folder, ((), ()))[0] != signature:
            if len(self._read) > MOST_READ:
                self._read.clear()
            self._read[folder] = (signature, shown_lines(last_output(folder), MOST_LINES))
        return self._read[folder][1][-most:]

    def _place(self, run_id: str) -> Path | None:
        if run_id not in self._places:
            self._look_for_children()
        return self._places.get(run_id)

    def _look_for_children(self) -> None:
        for root in list(self._places.values()):
            self._look_below(root)

    def _look_below(self, root: Path) -> None:
        for manifest in (root / CHILDREN).glob("*/manifest.json"):
            if manifest in self._looked_at:
                continue
            self._looked_at.add(manifest)
            try:
                run_id = read_manifest(RunDirectory(manifest.parent)).run_id
            except AttractorError:
                # The process of the run reports an unreadable manifest.
                continue
            self.know(run_id, manifest.parent)
            self._look_below(manifest.parent)


LEFT_OUT = "..."
"""The mark for lines that are omitted because they scrolled by between two checks."""

_ROOM = " " * 10
"""The space in place of the time with which other lines begin."""


class PrintedLines:
    """Yields new output lines of running stages, either of one node or of all nodes."""

    def __init__(self, directory: RunDirectory, node: str = "") -> None:
        self._directory = directory
        self._node = node
        self._view = RunView()
        self._tails = LastLines()
        self._told: dict[tuple[StageKey, int], tuple[str, ...]] = {}

    def hear(self, event: Event) -> None:
        """Handle an event."""
        self._tails.know(event.run_id, self._directory.root)
        self._view = fold(self._view, event)

    def more(self) -> Iterator[str]:
        """Yield the lines printed since the last call."""
        before, self._told = self._told, {}
        for key, row in self._view.at_work.items():
            if self._node not in ("", row.node):
                continue
            lines = self._tails.lines(key[0], row, MOST_LINES)
            attempt = (key, row.attempt)
            self._told[attempt] = lines
            for line in new_lines(before.get(attempt, ()), lines):
                yield f"{_ROOM}{name_of(row)} | {line}"


def new_lines(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """Return the lines added between two tails of an output."""
    if not before:
        return now
    longest = min(len(before), len(now))
    overlap = next((n for n in range(longest, 0, -1) if before[-n:] == now[:n]), 0)
    fresh = now[overlap:]
    return fresh if overlap or not fresh else [LEFT_OUT, *fresh]
