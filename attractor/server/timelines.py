"""The timelines of the runs that people look at: of each, only the new events are read."""

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from attractor.engine.run_folder.layout import RunDirectory
from attractor.records.timeline import TimelineReader

MAX_TIMELINES = 8
"""The number of kept timelines; one of ten thousand attempts takes 10 MB."""


class KeptTimelines:
    """The readers of timelines, each with a lock of its own."""

    def __init__(self) -> None:
        self._kept = OrderedDict[Path, tuple[TimelineReader, Lock]]()
        self._lock = Lock()

    @contextmanager
    def reading(self, root: Path) -> Generator[TimelineReader]:
        """Lend the reader of a run; another request waits for it."""
        with self._lock:
            reader, lock = self._kept.pop(root, None) or (
                TimelineReader(RunDirectory(root)),
                Lock(),
            )
            self._kept[root] = reader, lock
            if len(self._kept) > MAX_TIMELINES:
                self._kept.popitem(last=False)
        with lock:
            yield reader
