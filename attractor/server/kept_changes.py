"""Summaries of the changes of runs so far, cached until their journals grow."""

import asyncio
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from attractor.base.amounts import number_of
from attractor.base.errors import AttractorError
from attractor.engine.run_folder.layout import RunDirectory
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.diffs import read_run_diff

MOST_RUNS = 200
MOST_NAMED = 3
"""The number of changed files whose names are shown."""


class KeptChanges:
    """The summaries of changes, for people who answer the questions of runs."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, tuple[int, str]] = OrderedDict()
        self._lock = Lock()

    def words(self, root: Path, project: Project) -> str:
        """Return the summary for a run, empty without changes."""
        journal = RunDirectory(root).events
        size = journal.stat().st_size if journal.exists() else 0
        with self._lock:
            kept = self._kept.get(root)
        if kept and kept[0] == size:
            return kept[1]
        words = _words(root, project)
        with self._lock:
            self._kept[root] = (size, words)
            if len(self._kept) > MOST_RUNS:
                self._kept.popitem(last=False)
        return words


def _words(root: Path, project: Project) -> str:
    # A question can be answered without its changes; their own page names the reason.
    try:
        files = asyncio.run(read_run_diff(root, project)).files
    except AttractorError:
        return ""
    if not files:
        return ""
    added, deleted = sum(file.added for file in files), sum(file.deleted for file in files)
    names = ", ".join(file.path for file in files[:MOST_NAMED])
    more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    return f"{number_of(len(files), 'file')}, +{added} \N{MINUS SIGN}{deleted}: {names}{more}"
