"""Folders among the workspaces that somebody lives in, and how those of the dead are found.

Who makes a folder holds the kernel's lock on the folder itself, which is free the moment its holder
dies. The folder of a run is named in the run's record before that lock is given up. So a folder
that nobody holds and no record names was left behind.
"""

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from attractor.base.files import file_trouble

_TRIES = 10
_NAME = re.compile(r"[0-9a-f]{16}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def new_folder(place: Path) -> Generator[Path]:
    """Make a folder whose name says nothing, and hold it for a while.

    It stays afterwards, unless the work in it fails.
    """
    with ExitStack() as held:
        folder = _make_held(place, held)
        try:
            yield folder
        except BaseException:
            remove_folder(folder)
            raise


@contextmanager
def borrowed_folder(place: Path) -> Generator[Path]:
    """Make a folder whose name says nothing, hold it for a while, and remove it afterwards."""
    with new_folder(place) as folder:
        try:
            yield folder
        finally:
            remove_folder(folder)


def collect_left_behind(place: Path, recorded: Callable[[], Collection[str]]) -> int:
    """Remove the folders that nobody holds and no record names; return how many.

    `recorded` tells the names of those in records.
    """
    with left_behind(place, recorded) as left:
        for folder in left:
            remove_folder(folder)
    return len(left)


@contextmanager
def left_behind(place: Path, recorded: Callable[[], Collection[str]]) -> Generator[Sequence[Path]]:
    """Hold the folders that nobody else holds and no record names, for a while."""
    with ExitStack() as held:
        free = [
            folder
            for folder in _folders(place)
            if _NAME.fullmatch(folder.name) and held.enter_context(_held(folder))
        ]
        # Read now: a run that lets go of its folder has written its record before.
        kept = recorded() if free else ()
        yield [folder for folder in free if folder.name not in kept]


def _folders(place: Path) -> Sequence[Path]:
    try:
        return list(place.iterdir())
    except OSError as cause:
        raise file_trouble("look into", place, cause) from cause


def _make_held(place: Path, held: ExitStack) -> Path:
    try:
        for _ in range(_TRIES):
            folder = place / secrets.token_hex(8)
            folder.mkdir(mode=0o700)
            # Who collects may have been quicker than we were between the two.
            if held.enter_context(_held(folder, without_locks=True)):
                return folder
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    except OSError as cause:
        raise file_trouble("create a folder in", place, cause) from cause


@contextmanager
def _held(folder: Path, *, without_locks: bool = False) -> Generator[bool]:
    """Hold a folder, if it is there and nobody else does; say whether it is held.

    `without_locks` is the answer where the file system has no locks.
    """
    try:
        lock = _open(folder)
    except OSError:
        yield False
        return
    try:
        yield _lock(lock, without_locks) and _is_at(lock, folder)
    finally:
        # Closing alone would not do while a child between fork and exec has it open too.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _open(folder: Path) -> int:
    try:
        return os.open(folder, _FOLDER)
    except PermissionError:  # an agent closed it
        folder.chmod(0o700)
        return os.open(folder, _FOLDER)


def _lock(lock: int, without_locks: bool) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return without_locks
    return True


def _is_at(lock: int, folder: Path) -> bool:
    """Tell whether an open folder is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(lock), folder.lstat())
    except FileNotFoundError:
        return False


def remove_folder(folder: Path) -> None:
    """Remove a folder, also one that an agent closed in parts; what resists stays."""
    for at, below, _ in os.walk(folder):
        for path in (Path(at, name) for name in below):
            with suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
