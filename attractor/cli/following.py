"""Follows the journal of a run that somebody else writes, until the run rests or ends."""

from collections.abc import Callable, Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.cli.journal_reading import JournalReading, ReadLine
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.open_run import is_held

OFTEN_S = 0.2
"""How long to wait before looking for more."""

_AT_WORK = ("queued", "booting", "executing")


@dataclass
class Following:
    """Yields the lines of a journal as they come; `wait` is called when there are none.

    A run whose process was killed does not rest: whoever resumes it is followed as well, and
    meanwhile `tell_idle` is called, once.
    """

    root: Path
    wait: Callable[[], None]
    tell_idle: Callable[[], None]

    def lines(self, reading: JournalReading) -> Iterator[ReadLine]:
        """Yield what is there and what comes, until the run rests or a line does not verify."""
        lock, rests, is_told = RunDirectory(self.root).lock, False, False
        while True:
            # Before reading: what is written as long as it is held must not be missed.
            is_at_work = is_held(lock)
            for line in reading.more():
                yield line
                rests = _rests(rests, line.event) if line.event else rests
                is_told = False
            if reading.verdict.flaw or (rests and not is_at_work):
                return
            if not (is_at_work or is_told):
                is_told = True
                self.tell_idle()
            self.wait()


def _rests(before: bool, event: Event) -> bool:
    """Tell whether a run is to go on by itself after an event."""
    match event.type:
        case "RunStatusChanged":
            return event.data.get("status") not in _AT_WORK
        case "RunInterrupted":
            return True
        case "RunResumed" | "StageStarted":
            return False
        case _:
            return before
