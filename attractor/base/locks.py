"""File locks of the kernel. The kernel releases the locks of a process when the process ends.

The holder is written to `NAME.holder`, for messages only. The locked file is never deleted:
otherwise, one process could hold the lock on the deleted file, and another process the lock on a
new file with the same name.
"""

import fcntl
import io
import math
import os
import random
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, LockHeld, NotCanonical, UsageError
from attractor.base.files import file_error, is_running, mode_within, open_regular, write_whole
from attractor.base.json import JsonObject, canonical_json, parse_json


@dataclass(frozen=True)
class LockHolder:
    """The process that holds a lock, as recorded by this process."""

    pid: int
    host: str
    since: datetime
    purpose: str

    def __str__(self) -> str:
        """Describe the holder for a message."""
        since = self.since.isoformat(sep=" ", timespec="seconds")
        words = f"process {self.pid} on {self.host} since {since}"
        return f"{words}, {self.purpose}" if self.purpose else words


class FileLock:
    """A lock on a path, exclusive among all processes and threads.

    Two objects with the same path exclude each other, too. A child process does not inherit the
    lock.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: io.FileIO | None = None

    def acquire(self, *, wait: float = 0.0, purpose: str = "") -> Self:
        """Acquire the lock within `wait` seconds, or raise LockHeld with the name of the holder."""
        if not math.isfinite(wait):
            raise UsageError(f"invalid wait of {wait} seconds for {self.path}")
        try:
            with ExitStack() as undo:
                file = undo.enter_context(open_to_lock(self.path))
                if not try_lock(file, wait):
                    holder = holder_of(self.path) or "an unknown process"
                    raise LockHeld(
                        f"{self.path} is locked by {holder}",
                        hint="wait until that process ends, or stop it",
                    )
                self._write_holder(purpose)
                undo.pop_all()
        except OSError as cause:
            raise file_error("lock", self.path, cause) from cause
        self._file = file
        return self

    def release(self) -> None:
        """Release the lock, if it is held."""
        file, self._file = self._file, None
        if file:
            with suppress(OSError):
                _note_of(self.path).unlink()
            unlock(file)

    def __enter__(self) -> Self:
        """Acquire the lock, unless this object already holds it."""
        return self if self._file else self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the lock."""
        self.release()

    @staticmethod
    def is_held(path: str | Path) -> bool:
        """Return whether a process holds the lock on a path.

        The check takes a shared lock and releases it at once, so that two processes which look at
        the same time do not take each other for a holder.
        """
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as cause:
            raise file_error("read", path, cause) from cause
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            # Closing is not enough while a child between fork and exec has the file open.
            fcntl.flock(file, fcntl.LOCK_UN)
        except BlockingIOError:
            return True
        except OSError as cause:
            raise file_error("lock", path, cause) from cause
        finally:
            os.close(file)
        return False

    def _write_holder(self, purpose: str) -> None:
        pid = os.getpid()
        started = _process_start(pid) or ""
        # A file name on a command line may be invalid Unicode.
        words = purpose.encode(errors="backslashreplace").decode()
        host = os.uname().nodename
        note: JsonObject = {"host": host, "pid": pid, "purpose": words, "started": started}
        # The note is only for messages: a full disk must not prevent commands that free space.
        with suppress(FileError):
            write_whole(_note_of(self.path), canonical_json(note), sync=False)


class SharedLock:
    """A lock on a path that several processes and threads hold together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: io.FileIO | None = None

    def acquire(self) -> None:
        """Acquire the lock; a process that looks whether it is held delays this for a moment."""
        try:
            self._file = open_to_lock(self.path)
            fcntl.flock(self._file, fcntl.LOCK_SH)
        except OSError as cause:
            raise file_error("lock", self.path, cause) from cause

    def release(self) -> None:
        """Release the lock, if it is held."""
        file, self._file = self._file, None
        if file:
            unlock(file)

    @staticmethod
    def is_held(path: Path) -> bool:
        """Return whether any process holds the lock, or looks at it at this moment."""
        if not path.exists():
            return False
        try:
            with open_to_lock(path) as file:
                return not try_lock(file)
        except OSError as cause:
            raise file_error("lock", path, cause) from cause


def take_slot(folder: Path, most: int) -> io.FileIO | None:
    """Return a locked file, one of `most` in a folder; None if all are locked.

    The lock lasts until this process, and each process that inherited the file, has closed it.
    """
    try:
        for number in range(most):
            slot = open_to_lock(folder / _slot_name(number))
            if try_lock(slot):
                return slot
            slot.close()
    except OSError as cause:
        raise file_error("lock", folder, cause) from cause
    return None


def has_free_slot(folder: Path, most: int) -> bool:
    """Return whether one of `most` files in a folder is not locked; this locks none for long."""
    return any(not FileLock.is_held(folder / _slot_name(number)) for number in range(most))


def _slot_name(number: int) -> str:
    return f"slot-{number}"


def try_lock(file: io.FileIO, wait: float = 0.0) -> bool:
    """Try to acquire the kernel's lock on an open file within `wait` seconds; return whether the
    lock was acquired.
    """
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if (left := end - time.monotonic()) <= 0:
                return False
            time.sleep(min(left, random.uniform(0.01, 0.05)))
        else:
            return True


def unlock(file: io.FileIO) -> None:
    """Release the kernel's lock on a file and close the file."""
    if file.closed:
        return
    with file:
        # Closing is not enough while a child between fork and exec has the file open.
        fcntl.flock(file, fcntl.LOCK_UN)


def open_to_lock(path: Path) -> io.FileIO:
    """Open or create a file for reading and appending; refuse a symbolic link."""
    return io.FileIO(path, "a+", opener=_open_no_link)


def holder_of(path: str | Path) -> LockHolder | None:
    """Return the recorded holder of the lock at a path, unless the process has ended."""
    try:
        with open_regular(_note_of(Path(path))) as note:
            since = datetime.fromtimestamp(os.fstat(note.fileno()).st_mtime, UTC)
            record = parse_json(note.read())
    except (OSError, NotCanonical):
        return None
    match record:
        case {"host": str(host), "pid": int(pid), "purpose": str(purpose), "started": str(started)}:
            is_here = host == os.uname().nodename
            gone = is_here and _process_start(pid) != started
            return None if gone else LockHolder(pid, host, since, purpose)
        case _:
            return None


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def _process_start(pid: int) -> str | None:
    """Return the start time of a process from the kernel, "" if unknown, None without such a
    process.

    The start time distinguishes processes that reuse the same number.
    """
    try:
        # The name in brackets may itself contain spaces and brackets.
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return "" if not Path("/proc/self/stat").exists() and is_running(pid) else None
    # A zombie holds no lock.
    return None if state in (b"Z", b"X") else fields[18].decode()


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, mode_within(Path(path).parent.stat(), 0o666))
