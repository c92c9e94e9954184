"""Lists and removes folders of any depth, without following links.

The functions of the standard library fail in deep folders: they recurse, or use whole paths, which
the kernel limits to 4096 bytes.
"""

import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import AnyStr

from attractor.base.dataclasses import dataclass

DEEPEST = 200
"""The maximum depth of the folders that `walk_paths` enters."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class FoundEntry:
    """A file, link or folder, by its name in an open folder (default: the working directory)."""

    folder: int | None
    name: str
    is_folder: bool

    def status(self) -> os.stat_result:
        """Return the status of the entry itself, not of the target of a link."""
        return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)


def walk_tree(
    path: str | bytes | Path, *, dir_fd: int | None = None, unlock: bool = False
) -> Generator[FoundEntry]:
    """Yield everything below a path and then the path itself; a folder follows its entries.

    Unreadable folders are yielded without entries. With `unlock`, each folder gets mode 0700.
    """
    top = os.fsdecode(path)
    try:
        is_folder = stat.S_ISDIR(os.stat(top, dir_fd=dir_fd, follow_symlinks=False).st_mode)
    except OSError:
        return
    if is_folder:
        with suppress(OSError):
            yield from _below(_open(top, dir_fd, unlock), unlock)
    yield FoundEntry(dir_fd, top, is_folder)


def remove_tree(path: str | bytes | Path, *, dir_fd: int | None = None) -> None:
    """Remove a file or folder as far as possible, also parts without permissions."""
    with closing(walk_tree(path, dir_fd=dir_fd, unlock=True)) as found:
        for entry in found:
            remove = os.rmdir if entry.is_folder else os.unlink
            with suppress(OSError):
                remove(entry.name, dir_fd=entry.folder)


def walk_paths(
    folder: AnyStr, onerror: Callable[[OSError], object] | None = None
) -> Iterator[tuple[AnyStr, list[AnyStr], list[AnyStr]]]:
    """Yield the same as `os.walk`, but enter no folder deeper than `DEEPEST`."""
    top = len(Path(os.fsdecode(folder)).parts)
    for at, folders, names in os.walk(folder, onerror=onerror):
        if len(Path(os.fsdecode(at)).parts) - top >= DEEPEST:
            folders.clear()
        yield at, folders, names


def _below(at: int, unlock: bool) -> Generator[FoundEntry]:
    """Yield everything below an open folder, and close the folder."""
    try:
        levels = [("", _identity(at), _entries(at))]
        while True:
            name, _, entries = levels[-1]
            while entries:
                name, is_folder = entries.pop()
                inner = _opened(name, at, unlock) if is_folder else None
                if inner is None:
                    yield FoundEntry(at, name, is_folder)
                    continue
                os.close(at)
                at = inner
                entries = _entries(at)
                levels.append((name, _identity(at), entries))
            name, _, _ = levels.pop()
            if not levels:
                return
            above = os.open("..", _FOLDER, dir_fd=at)
            os.close(at)
            at = above
            # A process may have moved the folder meanwhile.
            if _identity(at) != levels[-1][1]:
                return
            yield FoundEntry(at, name, True)
    finally:
        os.close(at)


def _opened(name: str, at: int, unlock: bool) -> int | None:
    try:
        return _open(name, at, unlock)
    except OSError:
        return None


def _open(name: str, at: int | None, unlock: bool) -> int:
    try:
        folder = os.open(name, _FOLDER, dir_fd=at)
    except PermissionError:
        if not unlock:
            raise
        os.chmod(name, 0o700, dir_fd=at)
        folder = os.open(name, _FOLDER, dir_fd=at)
    if unlock:
        with suppress(OSError):
            os.fchmod(folder, 0o700)
    return folder


def _entries(folder: int) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            return [(one.name, one.is_dir(follow_symlinks=False)) for one in entries]
    except OSError:
        return []


def _identity(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino
