"""What commands at work printed last, read from where their stages keep it.

What the live display knows of a run: values only, a bounded number of them.

What a stage said last, as far as events tell: words of a model, and what its tools printed.
"""

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
"""How many stages that ended are kept; of the others only the number."""

LAST_LINES = 3
"""How many lines of what a stage at work printed are kept."""

WAITS = "waits"
"""The state of a stage that waits to be tried again."""

WORKS = "works"
"""The state of a stage that is at work."""

StageKey = tuple[str, str]
"""The run, and what an attempt's visit goes by in it."""


def stage_key(event: Event) -> StageKey:
    """Return what the visit goes by that an event is about."""
    return event.run_id, f"{event.node}@{event.visit}"


@dataclass(frozen=True)
class StageRow:
    """One visit of a node: at work, or ended with an outcome."""

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
    """A question that waits for an answer; parked, no process waits with it."""

    stage: str
    text: str
    choices: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    is_parked: bool = False


@dataclass(frozen=True)
class Trials:
    """How far an evaluation has come, and what the gate said of it."""

    played: int = 0
    satisfied: int = 0
    gate: str = ""


@dataclass(frozen=True)
class View:
    """A run as far as the events told of it; `seq` is the last one of its own journal.

    `trouble` is what went wrong last without stopping it. `started` is when its process began,
    `seconds` how long the stages of its walk took in all.
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
        """What was used of models so far, also by stages at work; a child's counts at its end."""
        own = (row.usage for (run_id, _), row in self.at_work.items() if run_id == self.run_id)
        return sum(own, self.usage)


LONGEST_LINE = 300


def said_by(event: Event) -> tuple[str, ...]:
    """Return the last lines of what an event tells; no terminal shall obey them."""
    words = _WORDS.get(event.type)
    return shown_lines(words(event)) if words else ()


def shown_lines(text: str, most: int = LAST_LINES) -> tuple[str, ...]:
    """Return the last lines of a text as a terminal may show them."""
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
"""How many files are remembered; of those that were at work long ago none is asked for again."""

_Signature = tuple[int, int, int]


class Tails:
    """The last lines of the stages at work in one run and its children.

    A file is read again when it is another one; `places` are directories that are known already.
    """

    def __init__(self, places: Mapping[str, Path] | None = None) -> None:
        self._places = dict(places or {})
        self._looked_at: set[Path] = set()
        self._read: dict[Path, tuple[_Signature, tuple[str, ...]]] = {}

    def know(self, run_id: str, root: Path) -> None:
        """Take note of where a run lies, unless that is known."""
        self._places.setdefault(run_id, root)

    def seen(self, view: View) -> View:
        """Return a view in which stages at work have the last lines that they printed."""
        rows = {
            key: replace(row, last_lines=lines)
            for key, row in view.at_work.items()
            if (lines := self.lines(key[0], row))
        }
        return replace(view, at_work={**view.at_work, **rows}) if rows else view

    def lines(self, run_id: str, row: StageRow, most: int = LAST_LINES) -> tuple[str, ...]:
        """Return the last lines that one stage at work printed, if it keeps them."""
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
                # What can't be read is told by whoever runs it.
                continue
            self.know(run_id, manifest.parent)
            self._look_below(manifest.parent)
