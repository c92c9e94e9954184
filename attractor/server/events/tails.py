"""One reader of the journal of a run, for all readers of its stream."""

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from attractor.base.errors import AttractorError, FileError, UsageError
from attractor.base.files import file_error
from attractor.base.hash_chain import require_intact
from attractor.base.json import JsonObject
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.journal.events import RunStatusChanged
from attractor.engine.journal.reader import JournalReader, VerifiedLine, find_position
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.state.run_state import RunState
from attractor.server.events.buffer import KEPT, EventBuffer, StreamEvent, stream_event

POLL_S = 0.1
"""The pause between two looks at a journal; the lines of one pause are sent together."""

LOOK_S = 0.5
"""The pause between two looks at the lock of a run, which says whether a process holds it."""

PAGE = 500
"""The number of lines that are read at once."""


def read_events(journal: Path, after: int, limit: int = PAGE) -> Sequence[StreamEvent]:
    """Return the next events after a number; raise ChainBroken if the next line is corrupt."""
    reader = JournalReader(journal, find_position(journal, after))
    while lines := list(reader.more(limit)):
        if events := [one for one in _events(lines) if one.id > after]:
            return events
        require_intact(reader.verdict, str(journal))
    return ()


def _events(lines: Iterable[VerifiedLine]) -> Sequence[StreamEvent]:
    """Return the events of the lines before the first corrupt line."""
    return [
        stream_event(line.number, line.event.type, line.content, node=line.event.node or "")
        for line in takewhile(lambda one: one.flaw is None, lines)
        if line.event
    ]


def last_number(journal: Path) -> int:
    """Return the number of the last event of a journal."""
    return find_position(journal, sys.maxsize).before.seq


class Tail:
    """Follows the journal of one run, and ends with the run."""

    def __init__(self, root: Path) -> None:
        self.buffer = EventBuffer(0)
        self._directory = RunDirectory(root)
        self._journal = self._directory.events
        self._reader = JournalReader(self._journal)
        self._is_final, self._has_new_status = False, True
        self._begun = asyncio.Event()
        self._work = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether no more events will come."""
        return self._work.done()

    async def begin(self, after: int | None) -> int:
        """Wait for the newest events; return the given number, or 0 for all events."""
        await self._begun.wait()
        if after and after > self.buffer.last:
            last = await asyncio.to_thread(last_number, self._journal)
            if after > last:
                raise UsageError(
                    f"the run has no event {after}: its last event is {last}",
                    hint="connect without Last-Event-ID, or with the number of an event",
                )
        return after or 0

    def read(self, after: int) -> Sequence[StreamEvent]:
        """Read some events after a number from the journal."""
        return read_events(self._journal, after)

    async def stop(self) -> None:
        """Stop following."""
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            await self._work

    async def _run(self) -> None:
        try:
            self._reader = await asyncio.to_thread(self._open)
            self.buffer = EventBuffer(self._reader.verdict.head.seq)
            await self._follow()
        except AttractorError as error:
            self.buffer.close(error)
        except OSError as cause:
            self.buffer.close(file_error("read", self._journal, cause))
        finally:
            self._begun.set()

    def _open(self) -> JournalReader:
        """Return a reader of the events that the buffer can keep."""
        first = last_number(self._journal) - KEPT
        return JournalReader(self._journal, find_position(self._journal, first))

    async def _follow(self) -> None:
        looked = 0.0
        while True:
            # Before reading, so that lines written before the release of the lock are read.
            is_due = time.monotonic() - looked >= LOOK_S
            is_live = is_held(self._directory.lock) if is_due or self._is_final else None
            events = await asyncio.to_thread(self._read_more) if self._has_more() else ()
            self.buffer.publish(events)
            require_intact(self._reader.verdict, str(self._journal))
            if len(events) == PAGE:
                continue
            if not events and is_live is not None:
                looked = time.monotonic()
                self.buffer.note_process(is_live=is_live)
            self._begun.set()
            if not events and self._is_final and is_live is False:
                self.buffer.close(_end_of(await asyncio.to_thread(self._state)))
                return
            if not events and self._has_new_status:
                self._has_new_status = False
                self._is_final = (await asyncio.to_thread(self._state)).status.is_final
                continue
            await asyncio.sleep(POLL_S)

    def _has_more(self) -> bool:
        try:
            return self._journal.stat().st_size != self._reader.offset
        except FileNotFoundError as cause:
            # A run that is being created has no journal yet.
            if self._reader.offset and not self._directory.root.is_dir():
                raise FileError(f"the directory {self._directory.root} was removed") from cause
            return False

    def _read_more(self) -> Sequence[StreamEvent]:
        events = _events(self._reader.more(PAGE))
        self._has_new_status |= any(one.type == RunStatusChanged.__name__ for one in events)
        return events

    def _state(self) -> RunState:
        return open_journal(self._journal, self._directory.checkpoint).state


def _end_of(state: RunState) -> JsonObject:
    """Return the record with which the stream of a run ends."""
    return {
        "status": state.status.word.value,
        "reason": state.reason,
        "restarted_as": state.restarted_as,
    }
