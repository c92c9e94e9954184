"""A file of lines that only grows, and that loses no acknowledged line when its writer is killed.

A line is acknowledged when `append` returns. A writer that dies in the middle leaves at most one
torn line, the bytes after the last newline: the next writer cuts it off and reports it, and readers
do not see it. Whether the lines in between are what was written is not told here (see `chains`).

One sync of the disk for all who wait for one at the same time.
"""

import asyncio
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, JournalError, LockHeld
from attractor.base.files import file_error, hint_for, reason_of, sync_folder, write_fully
from attractor.base.locks import open_to_lock, try_lock, unlock

_BLOCK = 1 << 16


@dataclass(frozen=True)
class JournalLine:
    """One whole line, without its newline, and the byte it begins at."""

    offset: int
    content: bytes

    @property
    def end(self) -> int:
        """The byte after the newline, where to read on."""
        return self.offset + len(self.content) + 1


@dataclass(frozen=True)
class TornLine:
    """What somebody who died wrote of a line, and the byte it begins at."""

    offset: int
    content: bytes


class Journal:
    """The one writer of a journal; `torn` is what had to be cut off on opening.

    Made by `Journal.open`. When `append` raises, its line is not in the journal, or the journal
    takes no more lines. It is for one thread at a time, but another one may sync meanwhile.
    """

    def __init__(self, path: Path, file: io.FileIO, torn: TornLine | None) -> None:
        self.path = path
        self.torn = torn
        self._file = file
        self._offset = os.fstat(file.fileno()).st_size
        self._closed_because = ""
        self._is_appending = False

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a journal to append to, or make it; refuse if it has a writer already."""
        path = Path(path)
        try:
            with ExitStack() as undo:
                file = undo.enter_context(open_to_lock(path))
                # Without a lock of its own, we could cut off a line that another is just writing.
                if not try_lock(file):
                    raise LockHeld(f"{path} has a writer already", hint="wait until it ends")
                torn = _cut_torn(file.fileno())
                sync_folder(path.parent)
                journal = cls(path, file, torn)
                undo.pop_all()
        except OSError as cause:
            raise file_error("open", path, cause) from cause
        return journal

    @property
    def offset(self) -> int:
        """The byte after the last line."""
        return self._offset

    def append(self, line: str | bytes, *, sync: bool = True) -> int:
        """Write one line and return the offset after it.

        Without `sync` the line outlives a kill at once, a power failure only after the next sync.
        """
        data = self._with_newline(line)
        self._refuse_if_closed()
        # Whatever interrupts us from here on, a half line must never get a line behind it.
        self._is_appending = True
        self._write(data)
        if sync:
            self._sync()
        self._is_appending = False
        return self._offset

    def sync(self) -> None:
        """Make all lines last through a power failure; a line may be appended meanwhile."""
        if self._closed_because:
            self._refuse_if_closed()
        self._sync()

    def close(self) -> None:
        """Let another writer have the journal; lines appended without sync stay unsynced."""
        self._closed_because = self._closed_because or "it was closed"
        unlock(self._file)

    def __enter__(self) -> Self:
        """Begin to write."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the journal."""
        self.close()

    def _with_newline(self, line: str | bytes) -> bytes:
        try:
            data = line.encode() if isinstance(line, str) else line
        except UnicodeEncodeError as cause:
            raise JournalError(f"cannot append to {self.path}: {cause}") from cause
        if b"\n" in data:
            raise JournalError(f"cannot append to {self.path}: a line holds a newline")
        return data + b"\n"

    def _refuse_if_closed(self) -> None:
        interrupted = "an append was interrupted" if self._is_appending else ""
        if because := self._closed_because or interrupted:
            hint = "open it again: what is not whole will be cut off"
            raise JournalError(f"{self.path} takes no lines: {because}", hint=hint)

    def _write(self, data: bytes) -> None:
        try:
            write_fully(self._file.fileno(), data)
        except OSError as cause:
            self._cut_back()
            raise self._trouble("append to", cause) from cause
        self._offset += len(data)

    def _cut_back(self) -> None:
        """Take back what was written of a line."""
        try:
            os.ftruncate(self._file.fileno(), self._offset)
        except OSError as cause:
            self._closed_because = f"half a line could not be taken back ({reason_of(cause)})"
        else:
            self._is_appending = False

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as cause:
            # The kernel may have dropped the pages: a second fsync would say yes to nothing.
            self._closed_because = f"it could not be synced to disk ({reason_of(cause)})"
            raise self._trouble("sync", cause) from cause

    def _trouble(self, verb: str, cause: OSError) -> JournalError:
        return JournalError(f"cannot {verb} {self.path}: {reason_of(cause)}", hint=hint_for(cause))


def read_lines(path: str | Path, *, offset: int = 0) -> Iterator[JournalLine]:
    """Yield the whole lines of a journal that begin at an offset or after it.

    It may have a writer meanwhile. To follow it, read again from the `end` of the last line.
    """
    try:
        with Path(path).open("rb") as file:
            _seek_line(file, path, offset)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                line = JournalLine(offset, raw[:-1])
                offset = line.end
                yield line
    except OSError as cause:
        raise file_error("read", path, cause) from cause


def read_torn(path: str | Path) -> TornLine | None:
    """Return what stands after the last newline: a torn line, or one that is just being written."""
    try:
        with Path(path).open("rb") as file:
            return _torn_line(file.fileno())
    except OSError as cause:
        raise file_error("read", path, cause) from cause


def _seek_line(file: io.BufferedReader, path: str | Path, offset: int) -> None:
    if offset:
        file.seek(max(0, offset - 1))
        if offset < 0 or file.read(1) != b"\n":
            hint = "read it from the beginning"
            raise FileError(f"no line of {path} begins at byte {offset}", hint=hint)


def _cut_torn(file: int) -> TornLine | None:
    torn = _torn_line(file)
    if torn:
        os.ftruncate(file, torn.offset)
    # Also without a torn line: a killed writer may have left lines that are not synced.
    os.fsync(file)
    return torn


def _torn_line(file: int) -> TornLine | None:
    size = os.fstat(file).st_size
    end = _end_of_lines(file, size)
    return TornLine(end, os.pread(file, size - end, end)) if end < size else None


def _end_of_lines(file: int, size: int) -> int:
    """Return the offset after the last newline, reading backwards."""
    at = size
    while at:
        start = max(0, at - _BLOCK)
        newline = os.pread(file, at - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        at = start
    return 0


class SharedSync:
    """Syncs in a thread; who asks while a sync is at work shares the next one with others.

    What was written before asking is on the disk when the asking returns.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._current: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """Wait until all that was written before is on the disk, or raise what keeps it from it."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._current))
        # Whoever stops waiting leaves the sync to the others.
        await asyncio.shield(self._next)

    async def _after(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            # Its failure was told to those who waited for it; ours would fail too.
            with suppress(Exception):
                await asyncio.shield(before)
        self._current, self._next = self._next, None
        await asyncio.to_thread(self._sync)
