"""State of the live display, and the last output lines of running stages."""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.run_folder.layout import CHILDREN, RunDirectory, read_manifest
from attractor.engine.stage.live_output import MOST_LINES, TAIL
from attractor.language.source.text import visible
from attractor.pipeline.runs.running_stages import attempt_folder, printed_last

KEPT = 100
"""Number of ended stages kept; earlier ones are only counted."""

LAST_LINES = 3
"""Number of output lines kept for a running stage."""

WAITS = "waits"
"""State of a stage that waits for a retry."""

WORKS = "works"
"""State of a running stage."""

StageKey = tuple[str, str]
"""A run id, and node@visit."""


def stage_key(event: Event) -> StageKey:
    """Return the key of the visit that an event belongs to."""
    return event.run_id, f"{event.node}@{event.visit}"


@dataclass(frozen=True)
class StageRow:
    """One visit of a node, running or ended with an outcome."""

    node: str
    since: datetime
    visit: int = 1
    attempt: int = 1
    branch: str = ""
    state: str = WORKS
    seconds: float = 0.0
    usage: Usage = NOTHING_USED
    why: str = ""
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class PendingQuestion:
    """An open question; if it is parked, no process waits for the answer."""

    stage: str
    text: str
    choices: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    is_parked: bool = False


@dataclass(frozen=True)
class Trials:
    """Progress of an evaluation and the gate's verdict."""

    played: int = 0
    satisfied: int = 0
    gate: str = ""


@dataclass(frozen=True)
class View:
    """State of a run derived from its events; `seq` is the last event of its own journal.

    `trouble` is the last problem that did not stop the run. `started` is the start of its process,
    `seconds` the total duration of its stages.
    """

    run_id: str = ""
    seq: int = 0
    pipeline: str = ""
    started: datetime | None = None
    status: str = ""
    reason: str = ""
    trouble: str = ""
    is_paused: bool = False
    ended: int = 0
    failed: int = 0
    path: tuple[StageRow, ...] = ()
    at_work: Mapping[StageKey, StageRow] = field(default_factory=dict[StageKey, StageRow])
    questions: Mapping[str, PendingQuestion] = field(default_factory=dict[str, PendingQuestion])
    usage: Usage = NOTHING_USED
    seconds: float = 0.0
    budgets: Budgets = NO_BUDGETS
    trials: Trials = Trials()

    @property
    def used(self) -> Usage:
        """Model usage so far, including running stages; a child's usage counts when it ends."""
        own = (row.usage for (run_id, _), row in self.at_work.items() if run_id == self.run_id)
        return sum(own, self.usage)


LONGEST_LINE = 300


def said_by(event: Event) -> tuple[str, ...]:
    """Return the last output lines that an event reports, with escaped control characters."""
    words = _WORDS.get(event.type)
    return shown_lines(words(event)) if words else ()


def shown_lines(text: str, most: int = LAST_LINES) -> tuple[str, ...]:
    """Return the last lines of a text, with escaped control characters."""
    told = [line.rstrip()[:LONGEST_LINE] for line in text.splitlines() if line.strip()]
    return tuple(visible(line.expandtabs(4)) for line in told[-most:])


def _call(event: Event) -> str:
    name, arguments = event.data.get("tool_name"), event.data.get("arguments")
    first = next(iter(arguments.values()), "") if isinstance(arguments, Mapping) else arguments
    words = _text(first).strip().splitlines() or [""]
    return f"{_text(name)}: {words[0]}"


def _result(event: Event) -> str:
    return _text(event.data.get("error")) or _text(event.data.get("output"))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


_WORDS: Mapping[str, Callable[[Event], str]] = {
    "TOOL_CALL_START": _call,
    "TOOL_CALL_END": _result,
    "ASSISTANT_TEXT_END": lambda event: _text(event.data.get("text")),
    "WARNING": lambda event: _text(event.data.get("message")),
    "ChildSteered": lambda event: f"steered: {_text(event.data.get('text'))}",
    "OutcomeAssumed": lambda event: _text(event.data.get("reason")),
}


MOST_READ = 100
"""Number of cached files."""

_Signature = tuple[int, int, int]


class Tails:
    """The last output lines of running stages in one run and its children.

    A file is read again after a change; `places` are the known run directories.
    """

    def __init__(self, places: Mapping[str, Path] | None = None) -> None:
        self._places = dict(places or {})
        self._looked_at: set[Path] = set()
        self._read: dict[Path, tuple[_Signature, tuple[str, ...]]] = {}

    def know(self, run_id: str, root: Path) -> None:
        """Remember a run directory unless it is known."""
        self._places.setdefault(run_id, root)

    def seen(self, view: View) -> View:
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
            self._read[folder] = (signature, shown_lines(printed_last(folder), MOST_LINES))
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
