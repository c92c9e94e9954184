"""Copies what git ignores, such as `.venv` or `node_modules`, from one folder to another.

An agent may have had its hands in either: no link is followed, and nothing is written over. Says
also what may be brought along at all, as a copy or read-only.
"""

import errno
import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from attractor.base.errors import UsageError
from attractor.base.files import file_error, write_fully
from attractor.workspaces.snapshot import DEEPEST, Rules

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20
# It is not there, or something that is no folder stands in the way.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def carry(source: Path, paths: Sequence[str], folder: Path) -> Sequence[str]:
    """Copy files and folders to the same paths below another folder; return those that were there.

    What stands at a place already stays as it is.
    """
    try:
        with _opened(source) as at, _opened(folder) as to:
            return [path for path in paths if _carry(at, os.fsencode(path), to)]
    except OSError as cause:
        raise file_error(f"copy from {source} to", folder, cause) from cause


def is_there(folder: Path, path: str) -> bool:
    """Say whether something stands at a path, and no link leads to it."""
    with suppress(OSError), _opened(folder) as at, _within(at, os.fsencode(path)) as above:
        os.stat(PurePosixPath(path).name, dir_fd=above, follow_symlinks=False)
        return True
    return False


def is_showable(folder: Path, path: str) -> bool:
    """Say whether a file or folder stands at a plain path, and no link is on the way."""
    if not _is_plain(path):
        return False
    with suppress(OSError), _opened(folder) as at, _within(at, os.fsencode(path)) as above:
        found = os.stat(PurePosixPath(path).name, dir_fd=above, follow_symlinks=False)
        return stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)
    return False


def require_carriable(paths: Sequence[str], rules: Rules) -> None:
    """Refuse paths that lead elsewhere, that agents do not get, or that git does not ignore."""
    for path in paths:
        if trouble := trouble_with(path, rules):
            raise UsageError(f"carry names {path!r}, {trouble}")


def require_showable(
    paths: Sequence[str], rules: Rules, *, folder: Path, carried: Sequence[str]
) -> None:
    """Refuse paths that cannot be shown read-only, besides those that must not be carried."""
    for at, path in enumerate(paths):
        others = [*carried, *paths[:at]]
        if trouble := trouble_with_shown(path, rules, folder=folder, others=others):
            raise UsageError(f"carry_read_only names {path!r}, {trouble}")


def trouble_with_shown(path: str, rules: Rules, *, folder: Path, others: Sequence[str]) -> str:
    """Say why a path of a folder must not be shown read-only; nothing when it may be.

    The others are brought along too, and each file must come in one way only.
    """
    if trouble := trouble_with(path, rules):
        return trouble
    if path in others:
        return "which is named twice: a path is either copied or read-only"
    for other in map(PurePosixPath, others):
        if other.is_relative_to(path) or PurePosixPath(path).is_relative_to(other):
            return f"which is brought along twice: {str(other)!r} is named as well"
    name = os.fsencode(path)
    if name in rules.folders or name in rules.files:
        return "where git keeps files: nobody could change them"
    if _is_file(folder, path) and not rules.ignores.hides(name):
        return "which is a file, and git ignores only a folder of that name"
    return ""


def trouble_with(path: str, rules: Rules) -> str:
    """Say why a path must not be carried; nothing when it may be."""
    if not _is_plain(path):
        return "which is no plain path below the project's folder"
    name = os.fsencode(path)
    kept = rules.kept
    # As a folder too: nothing may lie there in the last commit.
    if kept is not None and (kept.touched_by(name) or kept.has(name, is_folder=True)):
        return "which agents do not get"
    # As a folder too: `build/` in a `.gitignore` says nothing of a file.
    is_ignored = rules.ignores.hides(name) or rules.ignores.ignores(name, is_folder=True)
    return "" if is_ignored else "which git does not ignore: it would become part of the work"


def _is_plain(path: str) -> bool:
    parts = PurePosixPath(path).parts
    is_below = bool(parts) and not path.startswith("/") and ".." not in parts
    return is_below and str(PurePosixPath(path)) == path


def _is_file(folder: Path, path: str) -> bool:
    return is_showable(folder, path) and (folder / path).is_file()


@contextmanager
def _opened(folder: Path) -> Generator[int]:
    file = os.open(folder, _FOLDER)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _within(top: int, path: bytes, *, make: bool = False) -> Generator[int]:
    """Open the folder that a path lies in."""
    at = os.dup(top)
    try:
        for name in path.split(b"/")[:-1]:
            if make:
                _make(name, at)
            below = os.open(name, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def _carry(source: int, path: bytes, to: int) -> bool:
    name = path.rpartition(b"/")[2]
    try:
        with _within(source, path) as at:
            os.stat(name, dir_fd=at, follow_symlinks=False)
            with _within(to, path, make=True) as below:
                _copy(name, at, below, depth=0)
    except OSError as cause:
        if cause.errno not in _ABSENT:
            raise
        return False
    return True


def _copy(name: bytes, source: int, to: int, *, depth: int) -> None:
    """Copy one name of an open folder into another."""
    told = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISDIR(told.st_mode):
        _copy_folder(name, source, to, depth)
    elif stat.S_ISLNK(told.st_mode):
        with suppress(FileExistsError):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=to)
    elif stat.S_ISREG(told.st_mode):
        with suppress(FileExistsError):
            _copy_file(name, source, to)


def _copy_folder(name: bytes, source: int, to: int, depth: int) -> None:
    if depth == DEEPEST:
        return
    _make(name, to)
    at = os.open(name, _FOLDER, dir_fd=source)
    try:
        below = os.open(name, _FOLDER, dir_fd=to)
        try:
            for inner in _names_in(at):
                with suppress(FileNotFoundError):  # it went while we copied
                    _copy(inner, at, below, depth=depth + 1)
        finally:
            os.close(below)
    finally:
        os.close(at)


def _copy_file(name: bytes, source: int, to: int) -> None:
    """Copy a file with its mode and time, by which programs tell whether it is fresh."""
    at = os.open(name, _READ, dir_fd=source)
    try:
        told = os.fstat(at)
        file = os.open(name, _NEW, 0o600, dir_fd=to)
        try:
            while piece := os.read(at, _PIECE):
                write_fully(file, piece)
            os.fchmod(file, stat.S_IMODE(told.st_mode) & 0o777)
            os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))
        finally:
            os.close(file)
    finally:
        os.close(at)


def _names_in(folder: int) -> Sequence[bytes]:
    with os.scandir(folder) as found:
        return sorted(os.fsencode(one.name) for one in found)


def _make(name: bytes, at: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=at)
