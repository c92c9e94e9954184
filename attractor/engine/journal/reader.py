"""Reads and verifies a journal, from any event on, while another process may write it."""

import io
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, VerificationError
from attractor.base.events import Event
from attractor.base.files import file_error, open_regular
from attractor.base.hash_chain import (
    GENESIS,
    ChainCheck,
    ChainFlaw,
    ChainHead,
    parse_intact,
    verify,
)
from attractor.base.journal import JournalLine, find_lines, read_lines
from attractor.base.json import parse_json, parse_object
from attractor.base.patterns import late_pattern
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.checkpoint import Position

START = Position(0, GENESIS)
"""The position before the first event."""

_FEW = 1 << 16
"""The bytes of a journal that are read line by line, instead of being halved again."""


@dataclass(frozen=True)
class VerifiedLine:
    """One journal line with its event, and the flaw of the line if verification failed.

    Lines after a line with a flaw are not verified.
    """

    content: bytes
    number: int
    event: Event | None
    flaw: ChainFlaw | None = None


class JournalReader:
    """Reads new lines of a journal; an incomplete last line is ignored.

    Verification begins at the start position: earlier lines are not read.
    """

    def __init__(self, journal: Path, start: Position = START) -> None:
        self._journal = journal
        self._offset = start.offset
        self._number = start.before.seq
        self.verdict = ChainCheck(start.before, None)

    @property
    def offset(self) -> int:
        """The offset after the last line that was read."""
        return self._offset

    def more(self, limit: int | None = None) -> Iterator[VerifiedLine]:
        """Yield the new complete lines, at most `limit`."""
        if not self._journal.exists():
            return
        count = self._verify_more(limit)
        before = self._number
        for line in islice(read_lines(self._journal, offset=self._offset), count):
            self._number, self._offset = self._number + 1, line.end
            flaw = self.verdict.flaw
            is_guilty = flaw is not None and flaw.line == self._number and flaw.line > before
            try:
                record = parse_json(line.content)
                event = Event.from_record(record) if isinstance(record, dict) else None
            except (VerificationError, NotCanonical):
                event = None
            yield VerifiedLine(line.content, self._number, event, flaw if is_guilty else None)

    def _verify_more(self, limit: int | None) -> int:
        """Verify the new lines, and return the number of new lines."""
        lines = _Counted(islice(read_lines(self._journal, offset=self._offset), limit))
        if self.verdict.flaw is None:
            verdict = verify(lines, start=self.verdict.head)
            flaw = verdict.flaw and ChainFlaw(self._number + verdict.flaw.line, verdict.flaw.reason)
            self.verdict = ChainCheck(verdict.head, flaw)
        for _ in lines:
            """The number of lines read, including lines after a flaw."""
        return lines.count


class _Counted:
    """Counts lines while they are iterated."""

    def __init__(self, lines: Iterator[JournalLine]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.count += 1
            yield line.content


def all_events(journal: Path) -> Iterator[Event]:
    """Yield the events of a journal, without verification."""
    return (_parsed(line, journal) for line in _lines(journal))


def events_of(journal: Path, kinds: Collection[str]) -> Iterator[Event]:
    """Yield the events of some types, without verification; other lines are not parsed."""
    lines = find_lines(journal, _pattern(kinds)) if journal.exists() else ()
    events = (_parsed(line, journal) for line in lines)
    return (event for event in events if event.type in kinds)


def selected_events(journal: Path, kinds: Iterable[str]) -> Iterator[Event]:
    """Yield the events of some types, and the first and the last event, without verification.

    Other lines are not parsed: a stage of an agent has thousands, and parsing takes the time.
    """
    return (event for event, _ in selected_from(journal, kinds, 0))


def selected_from(journal: Path, kinds: Iterable[str], offset: int) -> Iterator[tuple[Event, int]]:
    """Yield the selected events after an offset, each with the offset after it."""
    wanted = _pattern(kinds)
    skipped: JournalLine | None = None
    for line in _lines(journal, offset):
        if line.offset == 0 or wanted.search(line.content):
            skipped = None
            yield _parsed(line, journal), line.end
        else:
            skipped = line
    if skipped:
        yield _parsed(skipped, journal), skipped.end


def _lines(journal: Path, offset: int = 0) -> Iterable[JournalLine]:
    return read_lines(journal, offset=offset) if journal.exists() else ()


def _pattern(kinds: Iterable[str]) -> re.Pattern[bytes]:
    """Return the pattern of lines with events of some types."""
    return late_pattern(rb'"type":"(?:%s)"' % "|".join(kinds).encode())


def _parsed(line: JournalLine, journal: Path) -> Event:
    record = parse_object(line.content)
    if record is None:
        hint = "compare this line and later ones with a copy"
        raise RecordBroken(f"invalid event at byte {line.offset} of {journal}", hint=hint)
    return Event.from_record(record)


def find_position(journal: Path, seq: int) -> Position:
    """Return the position after the event with a number, or after the last event if it is earlier.

    The search halves the journal, so a long journal takes no longer than a short one. Return the
    start if the search meets a corrupt line: reading from there reports this line.
    """
    if seq <= 0:
        return START
    try:
        with open_regular(journal) as file:
            return _search(file, seq)
    except FileNotFoundError:
        return START
    except OSError as cause:
        raise file_error("read", journal, cause) from cause


def _search(file: io.BufferedReader, seq: int) -> Position:
    # The line at `low` is the first one, or has at most this number; the last such line is wanted.
    low, high = 0, file.seek(0, io.SEEK_END)
    while high - low > _FEW:
        middle = (low + high) // 2
        file.seek(middle)
        begin = middle + len(file.readline())
        line = file.readline()
        if begin >= high or not line.endswith(b"\n"):
            high = middle
        elif (head := _head_of(line)) is None:
            return START
        elif head.seq <= seq:
            low = begin
        else:
            high = middle
    return _scan(file, low, seq)


def _scan(file: io.BufferedReader, offset: int, seq: int) -> Position:
    """Return the position after the last line with at most this number, from an offset on."""
    found = START
    file.seek(offset)
    for line in file:
        if not line.endswith(b"\n"):
            break
        head = _head_of(line)
        if head is None:
            return START
        if head.seq > seq:
            break
        offset += len(line)
        found = Position(offset, head)
    return found


def _head_of(line: bytes) -> ChainHead | None:
    parsed = parse_intact(line[:-1])
    return parsed.head if parsed else None
