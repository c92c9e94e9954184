"""What a sandbox shows of another folder in the workspace: files and folders, bound read-only.

A bind needs something to lie over, so an empty folder or file of ours stands at its place in the
workspace. An agent had its hands in there: no link is followed on the way to it.
"""

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_trouble
from attractor.environments.confined import Identity, identity_of
from attractor.environments.errors import SandboxNotStarted

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Something that is no folder stands where a folder above the place should be, or the other way.
_IN_THE_WAY = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR)


@dataclass(frozen=True)
class Shown:
    """A file or folder below another folder; it shows at the same path below the workspace."""

    root: Path
    path: str

    @property
    def source(self) -> Path:
        """Where it lies."""
        return self.root.resolve() / self.path


def make_stand_ins(folder: Path, shown: Sequence[Shown]) -> Mapping[Shown, Identity]:
    """Make in a workspace what each bind lies over; return what that is.

    A link or file in the place of a folder is removed. One whose place cannot be had is left out:
    an agent made something else of a folder above it, and that is its work.
    """
    try:
        top = os.open(folder, _FOLDER)
        try:
            found = {one: _stand_in(top, one) for one in shown}
        finally:
            os.close(top)
    except OSError as cause:
        raise file_trouble("make places in", folder, cause) from cause
    return {one: identity for one, identity in found.items() if identity is not None}


def _stand_in(top: int, shown: Shown) -> Identity | None:
    is_folder = _is_folder(shown)
    *above, name = shown.path.split("/")
    at = os.dup(top)
    try:
        for one in above:
            with suppress(FileExistsError):
                os.mkdir(one, dir_fd=at)
            below = os.open(one, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        return _made(name, at, is_folder=is_folder)
    except OSError as cause:
        if cause.errno not in _IN_THE_WAY:
            raise
        return None
    finally:
        os.close(at)


def _is_folder(shown: Shown) -> bool:
    try:
        mode = os.lstat(shown.source).st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise SandboxNotStarted(
            f"{shown.path} of the project is to show read-only, and is not there any more",
            hint="put it back, or take it out of carry_read_only; then resume the run",
        )
    return stat.S_ISDIR(mode)


def _made(name: str, at: int, *, is_folder: bool) -> Identity:
    """Make what a bind lies over, if it is not there; of a file no other name may lead to it."""
    with suppress(FileNotFoundError):
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
        if is_folder and stat.S_ISDIR(found.st_mode):
            return identity_of(found)
        if not is_folder and stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return identity_of(found)
        os.unlink(name, dir_fd=at)
    if is_folder:
        os.mkdir(name, dir_fd=at)
    else:
        os.close(os.open(name, _NEW, 0o644, dir_fd=at))
    return identity_of(os.stat(name, dir_fd=at, follow_symlinks=False))
