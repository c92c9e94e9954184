"""The folder that all workspaces lie in, by a path that says nothing.

A sandbox shows the path of what it was given (`/proc/self/mountinfo`), and the state folder's path
has the operator's name in it. So `workspaces` in the state folder is a link to a folder of ours
with a random name, in a folder that all users of the machine share, such as `/var/tmp`.
"""

import os
import secrets
import stat
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from attractor.base.files import close_to_others, file_trouble, make_private_folder, reason_of
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
            raise file_trouble("prepare", place, cause) from cause
    return place


def _prepare(place: Path, shared: Path, tell: Callable[[str], None]) -> None:
    if place.is_symlink():
        target = place.readlink()
        trouble = _trouble_with(target, owners={os.geteuid(), place.parent.stat().st_uid})
        if not trouble:
            close_to_others(target)
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
