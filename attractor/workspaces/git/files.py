"""Writes files into a folder that agents can change, without following links."""

import asyncio
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from attractor.base.files import file_error, remove_tree, write_fully
from attractor.workspaces.git.objects import LINK, TreeEntry

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderWriter:
    """Writes files into an open folder."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._at = b""
        self._open: int | None = None

    def put(
        self, path: bytes, entry: TreeEntry, content: bytes, modified_ns: int | None = None
    ) -> os.stat_result:
        """Write a file or link in place of anything at its path; return the new file's status."""
        folder, _, name = path.rpartition(b"/")
        if self._open is None or self._at != folder:
            # The folder stays open for the next file.
            self.leave()
            self._open = _open_below(self._top, folder.split(b"/") if folder else [])
            self._at = folder
        at = self._open
        try:
            return _put(name, entry, content, modified_ns, at)
        except FileExistsError:  # rare, and a check in advance takes time
            _clear(name, at)
            return _put(name, entry, content, modified_ns, at)

    def remove(self, path: bytes) -> None:
        """Remove a file or link, and parent folders that become empty."""
        self.leave()
        with suppress(FileNotFoundError, NotADirectoryError):
            _remove(self._top, path.split(b"/"))

    def leave(self) -> None:
        """Close the folder that was entered last."""
        if self._open is not None:
            os.close(self._open)
        self._open = None


def write_files(
    folder: Path,
    files: Iterable[tuple[bytes, TreeEntry]],
    modified_ns: Mapping[bytes, int],
    contents: Iterator[bytes],
) -> dict[bytes, os.stat_result]:
    """Write files into a folder, each with the next content; return the status of each file.

    `modified_ns` are the modification times of files (default: now).
    """
    with _opened(folder) as writer:
        return {
            path: writer.put(path, entry, content, modified_ns.get(path))
            for (path, entry), content in zip(files, contents, strict=True)
        }


def remove_files(folder: Path, paths: Iterable[bytes]) -> None:
    """Remove files from a folder."""
    with _opened(folder) as writer:
        for path in paths:
            writer.remove(path)


@contextmanager
def _opened(folder: Path) -> Generator[FolderWriter]:
    try:
        top = os.open(folder, _FOLDER)
        writer = FolderWriter(top)
        try:
            yield writer
        finally:
            writer.leave()
            os.close(top)
    except OSError as cause:
        raise file_error("write into", folder, cause) from cause


def _put(
    name: bytes, entry: TreeEntry, content: bytes, modified_ns: int | None, at: int
) -> os.stat_result:
    """Create a file or link in an open folder."""
    if entry.mode == LINK:
        os.symlink(content, name, dir_fd=at)
        return os.stat(name, dir_fd=at, follow_symlinks=False)
    file = os.open(name, _NEW, 0o777 if entry.mode & 0o100 else 0o666, dir_fd=at)
    try:
        write_fully(file, content)
        if modified_ns is not None:
            os.utime(file, ns=(modified_ns, modified_ns))
        return os.fstat(file)
    finally:
        os.close(file)


def _clear(name: bytes, at: int) -> None:
    """Remove a file, link or folder."""
    if _is_folder(name, at):
        remove_tree(name, dir_fd=at)
    else:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=at)


def _is_folder(name: bytes, at: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _open_below(top: int, parts: Iterable[bytes]) -> int:
    at = os.dup(top)
    for name in parts:
        try:
            if not _is_folder(name, at):
                _clear(name, at)
                os.mkdir(name, dir_fd=at)
            below = os.open(name, _FOLDER, dir_fd=at)
        finally:
            os.close(at)
        at = below
    return at


def _remove(at: int, parts: list[bytes]) -> None:
    name, *rest = parts
    if not rest:
        os.unlink(name, dir_fd=at)
        return
    below = os.open(name, _FOLDER, dir_fd=at)
    try:
        _remove(below, rest)
    finally:
        os.close(below)
    with suppress(OSError):  # it is not empty
        os.rmdir(name, dir_fd=at)


_Result = TypeVar("_Result")


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """Run work in a thread; a cancellation takes effect after the work is done."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
