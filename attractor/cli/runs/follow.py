"""Reads and verifies the journal of a run while another process writes it."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, VerificationError
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS, ChainCheck, ChainFlaw, verify
from attractor.base.journal import JournalLine, read_lines
from attractor.base.json import parse_json
from attractor.engine.run_folder.layout import RunDirectory, is_held


@dataclass(frozen=True)
class VerifiedLine:
    """One journal line with its event, and its flaw if verification failed.

    Lines after a flaw are not verified.
    """

    content: bytes
    number: int
    event: Event | None
    flaw: ChainFlaw | None = None


class JournalReader:
    """Reads new lines of a journal; an incomplete last line is ignored."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._offset = 0
        self._number = 0
        self.verdict = ChainCheck(GENESIS, None)

    def more(self) -> Iterator[VerifiedLine]:
        """Yield the new complete lines."""
        if not self._journal.exists():
            return
        count = self._verify_more()
        before = self._number
        for line in islice(read_lines(self._journal, offset=self._offset), count):
            self._number, self._offset = self._number + 1, line.end
            yield self._read(line, before)

    def _verify_more(self) -> int:
        """Verify the new lines and return their number."""
        lines = _Counted(read_lines(self._journal, offset=self._offset))
        if self.verdict.flaw is None:
            verdict = verify(lines, start=self.verdict.head)
            flaw = verdict.flaw and ChainFlaw(self._number + verdict.flaw.line, verdict.flaw.reason)
            self.verdict = ChainCheck(verdict.head, flaw)
        for _ in lines:
            """The number of lines read, including lines after a flaw."""
        return lines.count

    def _read(self, line: JournalLine, before: int) -> VerifiedLine:
        flaw = self.verdict.flaw
        is_guilty = flaw is not None and flaw.line == self._number and flaw.line > before
        return VerifiedLine(
            line.content, self._number, _event(line.content), flaw if is_guilty else None
        )


class _Counted:
    """Counts lines while they are iterated."""

    def __init__(self, lines: Iterator[JournalLine]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.count += 1
            yield line.content


def _event(content: bytes) -> Event | None:
    """Return the event of a line, or None for a corrupt line; the verdict reports it."""
    try:
        record = parse_json(content)
        return Event.from_record(record) if isinstance(record, dict) else None
    except (VerificationError, NotCanonical):
        return None


OFTEN_S = 0.2
"""Pause between two checks for new lines."""

_AT_WORK = ("queued", "booting", "executing")


@dataclass
class JournalFollower:
    """Yields journal lines as they are written; calls `wait` when there are none.

    A killed run counts as unfinished: `report_idle` is called once, and following continues if the
    run is resumed.
    """

    root: Path
    wait: Callable[[], None]
    report_idle: Callable[[], None]

    def lines(self, reading: JournalReader) -> Iterator[VerifiedLine]:
        """Yield existing and new lines until the run stops, ends, or a line is corrupt."""
        lock, rests, logs_requests = RunDirectory(self.root).lock, False, False
        while True:
            # Checked before reading, so that lines written before the release of the lock are read.
            is_at_work = is_held(lock)
            for line in reading.more():
                yield line
                rests = _rests(rests, line.event) if line.event else rests
                logs_requests = False
            if reading.verdict.flaw or (rests and not is_at_work):
                return
            if not (is_at_work or logs_requests):
                logs_requests = True
                self.report_idle()
            self.wait()


def _rests(before: bool, event: Event) -> bool:
    """Return whether the run has stopped or ended after an event."""
    match event.type:
        case "RunStatusChanged":
            return event.data.get("status") not in _AT_WORK
        case "RunInterrupted":
            return True
        case "RunResumed" | "StageStarted":
            return False
        case _:
            return before
