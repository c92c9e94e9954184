"""Creates workspace folders, and finds the folders of dead runs.

A sandbox shows the path of its workspace (`/proc/self/mountinfo`), and the path of the state folder
contains the operator's name. So `workspaces` in the state folder is a link to a folder with a
random name in a shared folder such as `/var/tmp`. The process that creates a folder locks it until
a run record names the folder. An unlocked folder that no record names is abandoned.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from attractor.base.errors import FileError, LockHeld
from attractor.base.files import (
    file_error,
    make_private,
    make_private_folder,
    reason_of,
    remove_tree,
)
from attractor.base.locks import FileLock, LockHolder, holder_of
from attractor.base.patterns import late_pattern
from attractor.workspaces.errors import DimensionBusy, DimensionMissing

NAME = "workspaces"
SHARED = Path("/var/tmp")
"""The default folder for large files that survive a restart of the machine."""

_PATIENCE_S = 10.0


def workspaces_folder(state: Path) -> Path:
    """Return the workspaces folder of a state folder."""
    return state / NAME


def make_workspaces_folder(state: Path) -> Path:
    """Return the workspaces folder of a state folder, created if missing."""
    place = workspaces_folder(state)
    make_private_folder(place)
    return place


def prepare_workspaces_folder(state: Path, *, shared: Path, tell: Callable[[str], None]) -> Path:
    """Return the workspaces folder, created and private.

    A missing folder, or a folder of another user, is replaced by an empty folder. If the shared
    folder is unsuitable, workspaces are created in the state folder, with a notice to `tell`.
    """
    place = workspaces_folder(state)
    # Two runs that start at the same time must get the same folder.
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
        tell(f"the workspaces folder {target} {trouble}: files of runs are restored elsewhere.")
        place.unlink()
    elif place.is_dir() and any(place.iterdir()):
        tell(_shown(place, "it already contains workspaces"))
        return
    why = _unsuitable(shared) or _link(place, shared)
    if why:
        place.mkdir(mode=0o700, exist_ok=True)
        tell(_shown(place, why))


def _trouble_with(target: Path, *, owners: Collection[int]) -> str:
    """Return the problem of a workspaces folder, or "".

    The folder is checked because other users may have replaced it.
    """
    try:
        found = target.lstat()
    except FileNotFoundError:
        return "is missing"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    return "" if found.st_uid in owners else "belongs to another user"


def _unsuitable(shared: Path) -> str:
    """Return the reason why a shared folder is unsuitable, or ""."""
    try:
        found = shared.stat()
    except OSError as cause:
        return f"{shared}: {reason_of(cause)}"
    writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_uid not in (0, os.geteuid()) or (writable and not found.st_mode & stat.S_ISVTX):
        return f"other users can replace files in {shared}"
    if sys.platform == "linux" and os.statvfs(shared).f_flag & os.ST_NOEXEC:
        return f"{shared} is mounted noexec"
    return ""


def _link(place: Path, shared: Path) -> str:
    """Link to a new folder; return the reason if linking fails, or ""."""
    target = shared / secrets.token_hex(8)
    try:
        # Always a new folder: another user may have guessed the name of an existing one.
        target.mkdir(mode=0o700)
    except OSError as cause:
        return f"{shared}: {reason_of(cause)}"
    if place.is_dir():
        place.rmdir()
    place.symlink_to(target)
    return ""


def _shown(place: Path, why: str) -> str:
    return f"Tools in a sandbox can see the path of the workspaces, {place}: {why}."


_WRITERS = "writers"


def require_folder(folder: Path) -> None:
    """Refuse to work in a folder of a person that is gone."""
    if not folder.is_dir():
        raise DimensionMissing(f"the folder {folder} is missing")


def lock_writer(folder: Path, state: Path, *, run_id: str) -> FileLock:
    """Lock a folder of a person for the run that works in it; the lock ends with this process."""
    make_private_folder(state / _WRITERS)
    lock = FileLock(_writer_lock(folder, state))
    try:
        return lock.acquire(purpose=f"run {run_id}")
    except LockHeld as cause:
        holder = holder_of(lock.path)
        command = f"attractor cancel {holder.purpose.removeprefix('run ')}" if holder else ""
        raise DimensionBusy(
            f"another run works in {folder}: {holder or 'an unknown process'}",
            hint=f"wait until it ends, or cancel it: {command}"
            if command
            else "wait until it ends",
        ) from cause


def writer_of(folder: Path, state: Path) -> LockHolder | None:
    """Return the process with the run that works in a folder of a person, or None."""
    place = _writer_lock(folder, state)
    return holder_of(place) if FileLock.is_held(place) else None


def _writer_lock(folder: Path, state: Path) -> Path:
    place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return state / _WRITERS / f"{place}.lock"


_TRIES = 10
_NAME = late_pattern(r"[0-9a-f]{16}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def new_folder(place: Path) -> Generator[Path]:
    """Create and lock a folder with a random name; if the block fails, remove this folder."""
    with ExitStack() as locks:
        folder = _make_locked(place, locks)
        try:
            yield folder
        except BaseException:
            remove_folder(folder)
            raise


@contextmanager
def borrowed_folder(place: Path) -> Generator[Path]:
    """Create and lock a folder with a random name; after the block, remove this folder."""
    with new_folder(place) as folder:
        try:
            yield folder
        finally:
            remove_folder(folder)


@contextmanager
def scratch_folder(place: Path | None = None) -> Generator[Path]:
    """Borrow a folder in a place (default: a folder of this user for temporary files).

    Folders of killed processes are removed first.
    """
    place = place or _own_scratch()
    remove_abandoned_folders(place, tuple)
    with borrowed_folder(place) as folder:
        yield folder


def _own_scratch() -> Path:
    place = Path(tempfile.gettempdir(), f"attractor-{os.geteuid()}")
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    if trouble := _trouble_with(place, owners={os.geteuid()}):
        raise FileError(f"{place} {trouble}", hint="set TMPDIR to a folder of your own")
    make_private(place)
    return place


def remove_abandoned_folders(place: Path, recorded: Callable[[], Collection[str]]) -> int:
    """Remove unlocked folders that are not in `recorded`; return the number of removed folders."""
    with abandoned_folders(place, recorded) as left:
        for folder in left:
            remove_folder(folder)
    return len(left)


@contextmanager
def abandoned_folders(
    place: Path, recorded: Callable[[], Collection[str]]
) -> Generator[Sequence[Path]]:
    """Lock all unlocked folders until the block ends; yield those that are not in `recorded`."""
    try:
        folders = list(place.iterdir())
    except OSError as cause:
        raise file_error("look into", place, cause) from cause
    with ExitStack() as locks:
        free = [
            folder
            for folder in folders
            if _NAME.fullmatch(folder.name) and locks.enter_context(_locked(folder))
        ]
        # Read now: a run writes its record before it unlocks its folder.
        names = recorded() if free else ()
        yield [folder for folder in free if folder.name not in names]


def _make_locked(place: Path, locks: ExitStack) -> Path:
    try:
        for _ in range(_TRIES):
            folder = place / secrets.token_hex(8)
            folder.mkdir(mode=0o700)
            # A cleanup may have locked it first.
            if locks.enter_context(_locked(folder, without_locks=True)):
                return folder
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    except OSError as cause:
        raise file_error("create a folder in", place, cause) from cause


@contextmanager
def _locked(folder: Path, *, without_locks: bool = False) -> Generator[bool]:
    """Lock an existing folder; yield whether the lock was acquired.

    `without_locks` is the result on a file system without locks.
    """
    try:
        lock = _open(folder)
    except OSError:
        yield False
        return
    try:
        yield _lock(lock, without_locks) and _is_at(lock, folder)
    finally:
        # Closing is not enough while a child between fork and exec has it open too.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _open(folder: Path) -> int:
    try:
        return os.open(folder, _FOLDER)
    except PermissionError:  # an agent removed the permissions
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
    """Return whether an open folder is still the folder at its path."""
    try:
        return os.path.samestat(os.fstat(lock), folder.lstat())
    except FileNotFoundError:
        return False


def remove_folder(folder: Path) -> None:
    """Remove a folder as far as possible, also parts without permissions."""
    remove_tree(folder)
