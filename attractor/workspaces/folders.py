"""The folder that all workspaces lie in, by a path that says nothing.

A sandbox shows the path of what it was given (`/proc/self/mountinfo`), and the state folder's path
has the operator's name in it. So `workspaces` in the state folder is a link to a folder of ours
with a random name, in a folder that all users of the machine share, such as `/var/tmp`.

Folders among the workspaces that somebody lives in, and how those of the dead are found.

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
import stat
import sys
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from attractor.base.files import file_error, make_private, make_private_folder, reason_of
from attractor.base.locks import FileLock

NAME = "workspaces"
SHARED = Path("/var/tmp")
"""Where programs keep what is large and should outlive a restart of the machine."""

_PATIENCE_S = 10.0


def workspaces_of(state: Path) -> Path:
    """Return the folder that the workspaces of a state folder lie in."""
    return state / NAME


def make_place(state: Path) -> Path:
    """Return the folder that the workspaces of a state folder lie in, made if it is not there."""
    place = workspaces_of(state)
    make_private_folder(place)
    return place


def prepare_place(state: Path, *, shared: Path, tell: Callable[[str], None]) -> Path:
    """See that the folder of the workspaces is there and ours alone, and return it.

    One that vanished, or became somebody else's, is replaced by an empty one. Where none can be
    had in the shared folder, it lies in the state folder itself, and that is told.
    """
    place = workspaces_of(state)
    # Two runs that start at once must come to the same folder.
    with FileLock(state / f"{NAME}.lock").acquire(wait=_PATIENCE_S, purpose=NAME):
        try:
            _prepare(place, shared, tell)
        except OSError as cause:
            raise file_error("prepare", place, cause) from cause
    return place


def _prepare(place: Path, shared: Path, tell: Callable[[str], None]) -> None:
    if place.is_symlink():
        target = place.readlink()
        trouble = _trouble_with(target, owners={os.geteuid(), place.parent.stat().st_uid})
        if not trouble:
            make_private(target)
            return
        tell(f"{target}, where the workspaces lay, {trouble}: runs get their files anew.")
        place.unlink()
    elif place.is_dir() and any(place.iterdir()):
        tell(_shown(place, "workspaces lie there already"))
        return
    why = _unfit(shared) or _link(place, shared)
    if why:
        place.mkdir(mode=0o700, exist_ok=True)
        tell(_shown(place, why))


def _trouble_with(target: Path, *, owners: Collection[int]) -> str:
    """Say what is wrong with a folder that was ours: others may have planted one in its place."""
    try:
        found = target.lstat()
    except FileNotFoundError:
        return "is gone"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    return "" if found.st_uid in owners else "belongs to somebody else"


def _unfit(shared: Path) -> str:
    """Say why no folder of ours can lie in a shared one, nothing when one can."""
    try:
        found = shared.stat()
    except OSError as cause:
        return f"{shared}: {reason_of(cause)}"
    writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_uid not in (0, os.geteuid()) or (writable and not found.st_mode & stat.S_ISVTX):
        return f"in {shared} others can replace what is ours"
    if sys.platform == "linux" and os.statvfs(shared).f_flag & os.ST_NOEXEC:
        return f"no program can be run in {shared}"
    return ""


def _link(place: Path, shared: Path) -> str:
    """Let the place lead to a new folder; say why there is none."""
    target = shared / secrets.token_hex(8)
    try:
        # Never one that is there: whoever made it could have foreseen the name.
        target.mkdir(mode=0o700)
    except OSError as cause:
        return f"{shared}: {reason_of(cause)}"
    if place.is_dir():
        place.rmdir()
    place.symlink_to(target)
    return ""


def _shown(place: Path, why: str) -> str:
    return f"Workspaces lie in {place}, and tools in a sandbox can see that path: {why}."


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
        raise file_error("look into", place, cause) from cause


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
        raise file_error("create a folder in", place, cause) from cause


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
