"""Short words on what runs changed so far, kept until their journals grow."""

import asyncio
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from attractor.base.amounts import number_of
from attractor.base.errors import AttractorError
from attractor.engine.run_folder.layout import RunDirectory
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.workspace.diffs import read_run_diff

MOST_RUNS = 200
MOST_NAMED = 3
"""The number of changed files whose names are shown."""


class KeptChanges:
    """What runs changed so far, for people who answer their questions."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, tuple[int, str]] = OrderedDict()
        self._lock = Lock()

    def words(self, root: Path, host: RunHost) -> str:
        """Return the changes of a run in a few words; empty without changes."""
        journal = RunDirectory(root).events
        size = journal.stat().st_size if journal.exists() else 0
        with self._lock:
            kept = self._kept.get(root)
        if kept and kept[0] == size:
            return kept[1]
        words = _words(root, host)
        with self._lock:
            self._kept[root] = (size, words)
            if len(self._kept) > MOST_RUNS:
                self._kept.popitem(last=False)
        return words


def _words(root: Path, host: RunHost) -> str:
    # A question can be answered without its changes; their own page names the reason.
    try:
        files = asyncio.run(read_run_diff(root, host)).files
    except AttractorError:
        return ""
    if not files:
        return ""
    added, deleted = sum(one.added for one in files), sum(one.deleted for one in files)
    names = ", ".join(one.path for one in files[:MOST_NAMED])
    more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    return f"{number_of(len(files), 'file')}, +{added} \N{MINUS SIGN}{deleted}: {names}{more}"
