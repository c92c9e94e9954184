"""The lock that lets one process at a time write to a run directory."""

import fcntl
import os
from pathlib import Path
from typing import Protocol

from attractor.base.files import file_error
from attractor.base.locks import FileLock
from attractor.engine.errors import FenceLost

LOCK_WAIT_S = 0.2
"""The time that a runner waits for the lock: status checks hold it briefly."""


class Fence(Protocol):
    """Guards one run directory; it is released when it was ended as often as begun."""

    @property
    def is_lost(self) -> bool:
        """Whether another process took over the run."""
        ...

    def begin(self) -> None:
        """Lock the directory, or fail with the name of the holder."""
        ...

    def commit(self) -> None:
        """Refuse to write if the fence is lost."""
        ...

    def end(self) -> None:
        """Release the directory."""
        ...


class FileFence:
    """A fence with a kernel lock; it is lost if its file was replaced."""

    def __init__(self, path: Path, *, purpose: str = "") -> None:
        self._path = path
        self._where = os.fspath(path)
        self._purpose = purpose
        self._lock = FileLock(path)
        self._begun = 0
        self._file: tuple[int, int] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether another process took over the run."""
        return self._file is None or self._file != self._found()

    def begin(self) -> None:
        """Lock the directory, or fail with the name of the holder."""
        if not self._begun:
            self._lock.acquire(wait=LOCK_WAIT_S, purpose=self._purpose)
            self._file = self._found()
        self._begun += 1

    def commit(self) -> None:
        """Refuse to write if the fence is lost."""
        if self.is_lost:
            raise FenceLost(f"{self._path.parent} was taken over by another process")

    def end(self) -> None:
        """Release the directory."""
        self._begun = max(0, self._begun - 1)
        if not self._begun:
            self._file = None
            self._lock.release()

    def _found(self) -> tuple[int, int] | None:
        try:
            # Without pathlib, which is slower: called before each event.
            found = os.stat(self._where)  # noqa: PTH116
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise file_error("read", self._path, cause) from cause
        return found.st_dev, found.st_ino


def is_held(path: Path) -> bool:
    """Return whether a process holds the kernel lock of a run directory.

    The check takes a shared lock and releases it at once.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as cause:
        raise file_error("lock", path, cause) from cause
    finally:
        os.close(file)
    return False
