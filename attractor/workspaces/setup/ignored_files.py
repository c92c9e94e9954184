"""Copies ignored files, such as `.venv` or `node_modules`, from one folder to another.

Agents can change either folder: no link is followed, and no file is overwritten.
"""

import errno
import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from attractor.base.errors import UsageError
from attractor.base.files import file_error, write_fully
from attractor.workspaces.snapshot import DEEPEST, SnapshotRules

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20
# Missing, or a parent is not a folder.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def carry(source: Path, paths: Sequence[str], folder: Path) -> Sequence[str]:
    """Copy files and folders to the same paths of another folder; return the existing ones.

    Files that exist in the other folder are not changed.
    """
    try:
        with _opened(source) as at, _opened(folder) as to:
            return [path for path in paths if _carry(at, os.fsencode(path), to)]
    except OSError as cause:
        raise file_error(f"copy from {source} to", folder, cause) from cause


def exists_without_links(folder: Path, path: str) -> bool:
    """Return whether a path exists, without links on the way."""
    with suppress(OSError), _opened(folder) as at, _within(at, os.fsencode(path)) as above:
        os.stat(PurePosixPath(path).name, dir_fd=above, follow_symlinks=False)
        return True
    return False


def is_plain_entry(folder: Path, path: str) -> bool:
    """Return whether a plain path is a file or folder, without links on the way."""
    if not _is_plain(path):
        return False
    with suppress(OSError), _opened(folder) as at, _within(at, os.fsencode(path)) as above:
        found = os.stat(PurePosixPath(path).name, dir_fd=above, follow_symlinks=False)
        return stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)
    return False


def require_carriable(paths: Sequence[str], rules: SnapshotRules) -> None:
    """Refuse paths outside of the project, protected paths, and paths that git does not ignore."""
    for path in paths:
        if trouble := carry_problem(path, rules):
            raise UsageError(f"invalid path {path!r} in carry: {trouble}")


def require_read_only_paths(
    paths: Sequence[str], rules: SnapshotRules, *, folder: Path, carried: Sequence[str]
) -> None:
    """Refuse paths that cannot be shown read-only."""
    for at, path in enumerate(paths):
        others = [*carried, *paths[:at]]
        if trouble := read_only_problem(path, rules, folder=folder, others=others):
            raise UsageError(f"invalid path {path!r} in carry_read_only: {trouble}")


def read_only_problem(
    path: str, rules: SnapshotRules, *, folder: Path, others: Sequence[str]
) -> str:
    """Return the reason why a path cannot be shown read-only, or "".

    `others` are the other carried paths; they must not overlap.
    """
    if trouble := carry_problem(path, rules):
        return trouble
    if path in others:
        return "it is listed twice"
    for other in map(PurePosixPath, others):
        if other.is_relative_to(path) or PurePosixPath(path).is_relative_to(other):
            return f"it overlaps with {str(other)!r}"
    name = os.fsencode(path)
    if name in rules.folders or name in rules.files:
        return "it contains files of the project, which would become read-only"
    if _is_file(folder, path) and not rules.ignores.ignores_file(name):
        return "it is a file, and git ignores only folders with this name"
    return ""


def carry_problem(path: str, rules: SnapshotRules) -> str:
    """Return the reason why a path cannot be carried, or ""."""
    if not _is_plain(path):
        return "it is not a plain path in the project"
    name = os.fsencode(path)
    protected = rules.protected
    # Also as a folder: it may be missing in the last commit.
    if protected is not None and (
        protected.touched_by(name) or protected.has(name, is_folder=True)
    ):
        return "agents have no access to it"
    # Also as a folder: `build/` in a `.gitignore` does not match files.
    is_ignored = rules.ignores.ignores_file(name) or rules.ignores.ignores(name, is_folder=True)
    return "" if is_ignored else "git does not ignore it, so it would become part of the result"


def _is_plain(path: str) -> bool:
    parts = PurePosixPath(path).parts
    is_below = bool(parts) and not path.startswith("/") and ".." not in parts
    return is_below and str(PurePosixPath(path)) == path


def _is_file(folder: Path, path: str) -> bool:
    return is_plain_entry(folder, path) and (folder / path).is_file()


@contextmanager
def _opened(folder: Path) -> Generator[int]:
    file = os.open(folder, _FOLDER)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _within(top: int, path: bytes, *, make: bool = False) -> Generator[int]:
    """Open the parent folder of a path."""
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
    """Copy an entry of an open folder into another."""
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        _copy_folder(name, source, to, depth)
    elif stat.S_ISLNK(status.st_mode):
        with suppress(FileExistsError):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=to)
    elif stat.S_ISREG(status.st_mode):
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
                with suppress(FileNotFoundError):  # removed meanwhile
                    _copy(inner, at, below, depth=depth + 1)
        finally:
            os.close(below)
    finally:
        os.close(at)


def _copy_file(name: bytes, source: int, to: int) -> None:
    """Copy a file with its mode and time, which build tools compare."""
    at = os.open(name, _READ, dir_fd=source)
    try:
        status = os.fstat(at)
        file = os.open(name, _NEW, 0o600, dir_fd=to)
        try:
            while piece := os.read(at, _PIECE):
                write_fully(file, piece)
            os.fchmod(file, stat.S_IMODE(status.st_mode) & 0o777)
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
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
