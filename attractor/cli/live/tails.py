"""What commands at work printed last, read from where their stages keep it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.cli.live.last_lines import shown_lines
from attractor.cli.live.view import LAST_LINES, StageRow, View
from attractor.engine.run_folder.layout import CHILDREN, RunDirectory, read_manifest
from attractor.engine.stage.stage_files import MOST_LINES, TAIL
from attractor.pipeline.running_stages import attempt_folder, printed_last

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
