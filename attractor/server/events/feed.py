"""The events of all runs of a project in one sequence, with numbers that never change.

A journal numbers the events of its own run only. The store gives each event of each run a number,
once, in the order in which it finds them, and remembers the place of the event in its journal. It
contains no events: they are read from the journals. Its file is in the state folder, so that the
numbers survive a restart of the server, and two servers of one project share them.

Finding new events is cheap with many runs: the time of the runs folder announces new runs; the
journals of active runs are looked at each time, those of the others a part at a time. Only the
size of a journal is compared, and only new lines are read. Of runs that are older than the store,
earlier events have no number.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from attractor.base.errors import AttractorError, FileError, MachineryError, UsageError
from attractor.base.files import file_error, make_private_folder
from attractor.base.hash_chain import GENESIS, ChainHead
from attractor.base.journal import JournalLine, read_lines
from attractor.base.json import Json, JsonObject, canonical_json, content_hash, parse_json
from attractor.engine.journal.checkpoint import Position
from attractor.engine.journal.reader import JournalReader
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.records.lookup import RACY_S, unsorted_run_names
from attractor.server.events.buffer import EventBuffer, StreamEvent, stream_event

FOLDER = "server/feeds"
"""The folder of the stores in the state folder; each runs folder has a file."""

PATIENCE_S = 60.0
BATCH = 500
"""The number of lines that are numbered in one transaction."""

SLICE = 1000
"""The number of inactive runs that are looked at each time."""

QUIET_S = 60.0
"""A run is inactive after this time without an event, if no process holds it."""

_SCHEMA = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, is_active INTEGER NOT NULL,
    seq INTEGER NOT NULL DEFAULT 0, hash TEXT NOT NULL, offset INTEGER NOT NULL DEFAULT 0,
    flaw TEXT NOT NULL DEFAULT ''
);
CREATE INDEX active_runs ON runs (id) WHERE is_active;
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, offset INTEGER NOT NULL
);
CREATE INDEX events_by_run ON events (run);
CREATE TABLE begun (number INTEGER NOT NULL, time REAL NOT NULL);
"""

_FLAW = -1
"""The offset of a corrupt journal: readers get a problem instead of an event."""


class _Run(NamedTuple):
    """A run as the store knows it; `offset` is the end of the last numbered line."""

    id: int
    name: str
    is_active: bool
    offset: int


class FeedStore:
    """The numbers of the events of all runs in a folder; safe for threads."""

    def __init__(self, folder: Path, state_dir: Path) -> None:
        self.file = state_dir / FOLDER / f"{content_hash(str(folder).encode())[:16]}.sqlite3"
        self._folder = folder
        self._lock = Lock()
        self._compared = -1
        self._next_slice = 0
        make_private_folder(self.file.parent)
        with self._using(), ExitStack() as opened:
            # Numbered in transactions of its own, and used by one thread at a time.
            self._db = sqlite3.connect(
                self.file, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
            )
            opened.callback(self._db.close)
            self._db.execute("PRAGMA journal_mode = WAL")
            # After a power failure, the last numbers may be missing; readers with such a number
            # are refused, and read the list of runs again.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._begin()
            [(self.first, self._began)] = self._db.execute("SELECT number, time FROM begun")
            # The time of a file may be a little older than the clock.
            self._oldest = self._began - RACY_S
            self._names = {name for (name,) in self._db.execute("SELECT name FROM runs")}
            opened.pop_all()

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    @property
    def last(self) -> int:
        """The number of the newest event."""
        with self._using():
            [(number,)] = self._db.execute("SELECT seq FROM sqlite_sequence")
            return number

    def require_known(self, number: int) -> None:
        """Refuse a number that the store has not given; 0 is the number before all others."""
        if number and not self.first <= number <= self.last:
            raise UsageError(
                f"unknown event {number}",
                hint="read the list of runs, then connect without Last-Event-ID",
            )

    def fill(self, *, is_full: bool = False) -> None:
        """Number the new events of active runs, and of some or all other runs."""
        with self._using():
            self._find_runs()
            for run in self._to_look_at(is_full):
                self._look_at(run)

    def read(self, after: int) -> Sequence[StreamEvent]:
        """Return the next events after a number, from the journals of their runs."""
        sql = (
            "SELECT number, name, events.offset, flaw FROM events JOIN runs ON runs.id = run"
            " WHERE number > ? ORDER BY number LIMIT ?"
        )
        while True:
            with self._using():
                rows = self._db.execute(sql, [after, BATCH]).fetchall()
            events = [
                event
                for name, group in groupby(rows, lambda row: row[1])
                for event in self._events(self._folder / name, list(group))
            ]
            if events or not rows:
                return events
            after = rows[-1][0]

    def _begin(self) -> None:
        """Begin a new store with all present runs, whose events so far have no number."""
        with self._writing():
            [(tables,)] = self._db.execute("SELECT count(*) FROM sqlite_schema")
            if tables:
                return
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            now = time.time()
            # If the file is lost, the numbers of the next one are larger than all earlier ones.
            first = int(now * 1000)
            self._db.execute("INSERT INTO begun VALUES (?, ?)", [first, now])
            self._db.execute("INSERT INTO sqlite_sequence VALUES ('events', ?)", [first])
            self._add(_names_in(self._folder), is_active=False)

    def _add(self, names: set[str], *, is_active: bool) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO runs (name, is_active, hash) VALUES (?, ?, ?)",
            [(one, is_active, GENESIS.hash) for one in sorted(names)],
        )

    def _find_runs(self) -> None:
        """Add new runs, and forget removed ones, if the time of the folder changed."""
        changed = self._folder.stat().st_mtime_ns if self._folder.is_dir() else 0
        if changed == self._compared:
            return
        now, names = time.time(), _names_in(self._folder)
        with self._writing():
            self._add(names - self._names, is_active=True)
            for name in self._names - names:
                which = "(SELECT id FROM runs WHERE name = ?)"
                self._db.execute(f"DELETE FROM events WHERE run = {which}", [name])
                self._db.execute("DELETE FROM runs WHERE name = ?", [name])
        self._names = names
        self._compared = changed if changed / 1e9 < now - RACY_S else -1

    def _to_look_at(self, is_full: bool) -> list[_Run]:
        select = "SELECT id, name, is_active, offset FROM runs WHERE flaw = '' AND"
        active = self._db.execute(f"{select} is_active").fetchall()
        after, limit = (0, -1) if is_full else (self._next_slice, SLICE)
        others = self._db.execute(
            f"{select} NOT is_active AND id > ? ORDER BY id LIMIT ?", [after, limit]
        ).fetchall()
        self._next_slice = others[-1][0] if len(others) == SLICE else 0
        return [_Run(*row) for row in (*active, *others)]

    def _look_at(self, run: _Run) -> None:
        try:
            # Without pathlib, which is slower: this is called for each of many runs.
            found = os.stat(f"{self._folder}/{run.name}/events.jsonl")  # noqa: PTH116
        except OSError:  # such as a run that is just being made
            found = None
        has_grown = found and found.st_size != run.offset and found.st_mtime >= self._oldest
        if has_grown and self._number(run):
            return
        if run.is_active and _is_quiet(RunDirectory(self._folder / run.name), found):
            self._db.execute("UPDATE runs SET is_active = 0 WHERE id = ?", [run.id])

    def _number(self, run: _Run) -> bool:
        """Number the new events of a run; return whether there were any."""
        journal, has_new = RunDirectory(self._folder / run.name).events, False
        while True:
            with self._writing():
                # Another server may have numbered some of them, or forgotten the run.
                sql = "SELECT offset, seq, hash FROM runs WHERE id = ?"
                known = self._db.execute(sql, [run.id]).fetchone()
                if known is None:
                    return has_new
                offset, seq, digest = known
                start = Position(offset, ChainHead(seq, digest))
                numbered, end, head, flaw = self._read_new(journal, start)
                rows = [(run.id, one) for one in numbered] + [(run.id, _FLAW)] * bool(flaw)
                self._db.executemany("INSERT INTO events (run, offset) VALUES (?, ?)", rows)
                if end == offset and not flaw:
                    return has_new
                self._db.execute(
                    "UPDATE runs SET offset = ?, seq = ?, hash = ?, flaw = ?, is_active = ?"
                    " WHERE id = ?",
                    [end, head.seq, head.hash, flaw, not flaw, run.id],
                )
            has_new = True
            if flaw:
                return True

    def _read_new(self, journal: Path, start: Position) -> tuple[list[int], int, ChainHead, str]:
        """Return the offsets of some new events, the end and head after them, and the flaw."""
        reader, offsets, end = JournalReader(journal, start), list[int](), start.offset
        try:
            for line in reader.more(BATCH):
                if line.flaw or not line.event:
                    flaw = line.flaw.reason if line.flaw else "is invalid"
                    return offsets, end, reader.verdict.head, f"line {line.number} {flaw}"
                if line.event.time.timestamp() >= self._began:
                    offsets.append(end)
                end = reader.offset
        except FileError as error:
            # With a cause, such as too many open files, the next try may succeed.
            return [], start.offset, start.before, "" if error.cause else error.message
        return offsets, end, reader.verdict.head, ""

    def _events(
        self, root: Path, rows: Sequence[tuple[int, str, int, str]]
    ) -> Iterator[StreamEvent]:
        """Yield the events at some places of one journal; a run may have been removed."""
        journal = RunDirectory(root).events
        lines: Iterator[JournalLine] = iter(())
        for number, name, offset, flaw in rows:
            if offset == _FLAW:
                data: Json = {"detail": f"{journal}: {flaw}"}
                record: JsonObject = {"run_id": name, "type": "problem", "data": data}
                yield stream_event(number, "problem", canonical_json(record).encode())
                continue
            with suppress(FileError):
                line = next(lines, None)
                if line is None or line.offset != offset:
                    lines = read_lines(journal, offset=offset)
                    line = next(lines, None)
                if line:
                    yield _event(number, line.content)

    @contextmanager
    def _using(self) -> Generator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as cause:
                raise MachineryError(
                    f"cannot use the feed of events {self.file}: {cause}",
                    hint="free space and check permissions, or remove the file",
                ) from cause

    @contextmanager
    def _writing(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()


def _names_in(folder: Path) -> set[str]:
    return {one for one in unsorted_run_names(folder) if not one.startswith(".")}


def _is_quiet(directory: RunDirectory, found: os.stat_result | None) -> bool:
    """Return whether a run has had no event for a while, and no process holds it."""
    if not directory.root.is_dir():
        return True
    since = found.st_mtime if found else directory.root.stat().st_mtime
    return time.time() - since > QUIET_S and not is_held(directory.lock)


def _event(number: int, content: bytes) -> StreamEvent:
    record = parse_json(content)
    assert isinstance(record, dict)
    node = record.get("node")
    return stream_event(number, str(record["type"]), content, node=str(node) if node else "")


POLL_S = 0.2
"""The pause between two searches for new events."""


class Feed:
    """Follows all runs in a folder."""

    def __init__(self, folder: Path, state_dir: Path) -> None:
        self.buffer = EventBuffer(0)
        self._folder = folder
        self._open = partial(FeedStore, folder, state_dir)
        self._store: FeedStore | None = None
        self._begun = asyncio.Event()
        self._work = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether no more events will come."""
        return self._work.done()

    async def begin(self, after: int | None) -> int:
        """Wait until all runs were looked at; return the given number (default: the newest)."""
        await self._begun.wait()
        if isinstance(self.buffer.end, AttractorError):
            raise self.buffer.end
        if after is None or self._store is None:
            return self.buffer.last
        await asyncio.to_thread(self._store.require_known, after)
        return after

    def read(self, after: int) -> Sequence[StreamEvent]:
        """Read some events after a number from the journals."""
        return self._store.read(after) if self._store else ()

    async def stop(self) -> None:
        """Stop following."""
        await self._begun.wait()  # a file that a thread opens meanwhile would stay open
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            await self._work

    async def _run(self) -> None:
        try:
            store = self._store = await asyncio.to_thread(self._open)
            await asyncio.to_thread(store.fill, is_full=True)
            self.buffer = EventBuffer(store.last)
            self._begun.set()
            while True:
                await asyncio.to_thread(store.fill)
                while events := await asyncio.to_thread(store.read, self.buffer.last):
                    self.buffer.publish(events)
                await asyncio.sleep(POLL_S)
        except AttractorError as error:
            self.buffer.close(error)
        except OSError as cause:
            self.buffer.close(file_error("read", self._folder, cause))
        finally:
            self._begun.set()
            if self._store:
                await asyncio.to_thread(self._store.close)
