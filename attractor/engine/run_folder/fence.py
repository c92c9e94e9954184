"""The lock that lets one process at a time write to a run directory."""

import fcntl
import os
from pathlib import Path
from typing import Protocol

from attractor.base.files import file_error
from attractor.base.locks import FileLock
from attractor.engine.errors import FenceLost

PATIENCE_S = 0.2
"""How long a runner waits for a lock: who only looks whether a run is alive holds it so briefly."""


class Fence(Protocol):
    """Around one run directory; begun more than once, it is given up as often as it was begun."""

    @property
    def is_lost(self) -> bool:
        """Whether somebody else took the run over."""
        ...

    def begin(self) -> None:
        """Take the directory, or refuse with the name of who has it."""
        ...

    def commit(self) -> None:
        """Refuse what is about to be written when the fence is lost."""
        ...

    def end(self) -> None:
        """Give the directory up."""
        ...


class FileFence:
    """A fence made of a lock that the kernel holds; it is lost when its file is another one."""

    def __init__(self, path: Path, *, purpose: str = "") -> None:
        self._path = path
        self._where = os.fspath(path)
        self._purpose = purpose
        self._lock = FileLock(path)
        self._begun = 0
        self._file: tuple[int, int] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether somebody else took the run over."""
        return self._file is None or self._file != self._found()

    def begin(self) -> None:
        """Take the directory, or refuse with the name of who has it."""
        if not self._begun:
            self._lock.acquire(wait=PATIENCE_S, purpose=self._purpose)
            self._file = self._found()
        self._begun += 1

    def commit(self) -> None:
        """Refuse what is about to be written when the fence is lost."""
        if self.is_lost:
            raise FenceLost(f"{self._path.parent} was taken over by somebody else")

    def end(self) -> None:
        """Give the directory up."""
        self._begun = max(0, self._begun - 1)
        if not self._begun:
            self._file = None
            self._lock.release()

    def _found(self) -> tuple[int, int] | None:
        try:
            # Not by a Path: this is done before each event.
            found = os.stat(self._where)  # noqa: PTH116
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise file_error("read", self._path, cause) from cause
        return found.st_dev, found.st_ino


def is_held(path: Path) -> bool:
    """Tell whether a runner holds a run directory, by the kernel's word and not by what it wrote.

    It is asked for a lock that others may share, which is given back at once.
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
