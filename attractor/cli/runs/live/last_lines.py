"""The last output lines of running stages, read from their files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.cli.runs.live.render import name_of
from attractor.cli.runs.live.state import LAST_LINES, RunView, StageKey, StageRow, fold, shown_lines
from attractor.engine.run_folder.layout import CHILDREN, RunDirectory, read_manifest
from attractor.engine.stage.folder import MOST_LINES, TAIL
from attractor.pipeline.runs.open_work import attempt_folder, printed_last

MOST_READ = 100
"""Number of cached files."""

_Signature = tuple[int, int, int]


class LastLines:
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


LEFT_OUT = "..."
"""Marks lines missed between two checks."""

_ROOM = " " * 10
"""Width of the time before an event."""


class PrintedLines:
    """Yields new output lines of running stages, of one node or of all."""

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
