"""Follows the journal of a run that somebody else writes, until the run rests or ends.

Reads a journal bit by bit while somebody writes it, verifying each line on the way.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, VerificationError
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS, ChainCheck, Flaw, verify
from attractor.base.journal import JournalLine, read_lines
from attractor.base.json import parse_json
from attractor.engine.run_folder.fence import is_held
from attractor.engine.run_folder.layout import RunDirectory


@dataclass(frozen=True)
class ReadLine:
    """A line of a journal as it stands there, the event it holds, and what is wrong with it.

    Behind a line with a flaw nothing is verified any more.
    """

    content: bytes
    number: int
    event: Event | None
    flaw: Flaw | None = None


class JournalReading:
    """Yields what came to a journal since it was read last; half a line is no line yet."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._offset = 0
        self._number = 0
        self.verdict = ChainCheck(GENESIS, None)

    def more(self) -> Iterator[ReadLine]:
        """Yield the lines that are new and whole."""
        if not self._journal.exists():
            return
        count = self._verify_more()
        before = self._number
        for line in islice(read_lines(self._journal, offset=self._offset), count):
            self._number, self._offset = self._number + 1, line.end
            yield self._read(line, before)

    def _verify_more(self) -> int:
        """Go on verifying, and return how many lines there are to be read."""
        lines = _Counted(read_lines(self._journal, offset=self._offset))
        if self.verdict.flaw is None:
            verdict = verify(lines, start=self.verdict.head)
            flaw = verdict.flaw and Flaw(self._number + verdict.flaw.line, verdict.flaw.reason)
            self.verdict = ChainCheck(verdict.head, flaw)
        for _ in lines:
            """Count those behind a flaw too."""
        return lines.count

    def _read(self, line: JournalLine, before: int) -> ReadLine:
        flaw = self.verdict.flaw
        is_guilty = flaw is not None and flaw.line == self._number and flaw.line > before
        return ReadLine(
            line.content, self._number, _event(line.content), flaw if is_guilty else None
        )


class _Counted:
    """The contents of lines, counted as they are taken."""

    def __init__(self, lines: Iterator[JournalLine]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.count += 1
            yield line.content


def _event(content: bytes) -> Event | None:
    """Return the event in a line; what is none is told with the verdict."""
    try:
        record = parse_json(content)
        return Event.from_record(record) if isinstance(record, dict) else None
    except (VerificationError, NotCanonical):
        return None


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
