"""Reads, writes and lists the files of a confined folder.

The text of a file: what counts as text, and lines of it.

The file tools of every environment that works on a folder of this machine.

They work on the folder from outside, confined to it. Only grep runs a command, as the environment
runs all its commands.
"""

import asyncio
import io
import os
import secrets
import stat
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import write_fully
from attractor.environments.confined_paths import Confined, FolderEntry, identity_of
from attractor.environments.environment import DirEntry, GrepOptions
from attractor.environments.errors import FileMissing, FileUnusable, NotText
from attractor.environments.search import Execute, Searcher, matches


def decode_text(data: bytes, path: str) -> str:
    """Return bytes as text, losing nothing, or refuse what is none."""
    if b"\0" in data:
        raise NotText(f"{path} is a binary file")
    try:
        return data.decode()
    except UnicodeDecodeError as cause:
        raise NotText(f"{path} is not UTF-8 text, from byte {cause.start} on") from cause


def encode_text(text: str, path: str) -> bytes:
    """Return text as bytes, or refuse half a character."""
    try:
        return text.encode()
    except UnicodeEncodeError as cause:
        hint = "take the half character (a lone surrogate) out of the text"
        raise FileUnusable(f"cannot write {path}: {cause}", hint=hint) from cause


def select_lines(text: str, offset: int | None, limit: int | None) -> str:
    """Return `limit` lines from the 1-based line `offset` on, all when neither is given."""
    start = 1 if offset is None else offset
    if start < 1 or (limit is not None and limit < 0):
        raise UsageError(
            f"there is no line {start}, or no {limit} lines",
            hint="lines are counted from 1, and a limit is not negative",
        )
    stop = None if limit is None else start - 1 + limit
    return "".join(islice(io.StringIO(text, newline="\n"), start - 1, stop))


def printable(name: str) -> str:
    """Return a file's name as text that can be sent anywhere, its unreadable bytes replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


LARGEST_READ = 32 * 1024 * 1024
MOST_NAMES = 200_000

# Without O_NONBLOCK, opening a named pipe waits for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Each step down holds a file descriptor; a process may have no more than 1024 of them.
_DEEPEST = 200


def read_text(confined: Confined, path: str, *, offset: int | None, limit: int | None) -> str:
    """Return a regular file's text, or lines of it."""
    with confined.located("read", path) as place, _opened(place, _READ) as file:
        _require_regular(os.fstat(file), path)
        with os.fdopen(file, "rb", closefd=False) as reader:
            data = reader.read(LARGEST_READ + 1)
    if len(data) > LARGEST_READ:
        raise FileUnusable(
            f"{path} is larger than {LARGEST_READ} bytes",
            hint="cut out what you need with a command, such as sed -n or tail",
        )
    return select_lines(decode_text(data, path), offset, limit)


def write_text(confined: Confined, path: str, content: str) -> None:
    """Put a file in place whole, its folders included; one that is there keeps its permissions."""
    data = encode_text(content, path)
    with confined.located("write", path, create=True) as place:
        kept = _permissions(place, path)
        # The name that `remove_abandoned_files` knows, should we be killed before it is replaced.
        temporary = FolderEntry(
            place.folder, f".attractor-{os.getpid()}-{secrets.token_hex(8)}.tmp"
        )
        try:
            with _opened(temporary, _CREATE) as file:
                if kept is not None:
                    os.fchmod(file, kept)
                write_fully(file, data)
            os.replace(temporary.name, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary.name, dir_fd=place.folder)


def delete(confined: Confined, path: str) -> None:
    """Remove a file; of a link, the link and not where it leads."""
    with confined.located("delete", path, follow=False, change=True) as place:
        if stat.S_ISDIR(_status(place).st_mode):
            raise FileUnusable(f"{path} is a folder", hint="remove folders with a command")
        os.unlink(place.name, dir_fd=place.folder)


def exists(confined: Confined, path: str) -> bool:
    """Tell whether a path leads to a file or folder."""
    try:
        with confined.located("look for", path) as place:
            _status(place)
    except FileMissing:
        return False
    except FileUnusable as error:
        # A file stands where the path has a folder.
        if isinstance(error.cause, NotADirectoryError):
            return False
        raise
    return True


def require_folder(confined: Confined, path: str) -> str:
    """Return a folder's path as counted from the confined one, sure that it is there."""
    with confined.opened("enter", path):
        return confined.relative(path)


def require_there(confined: Confined, path: str) -> str:
    """Return the path of a file or folder as counted from the confined one, sure it is there."""
    with confined.located("search", path) as place:
        _status(place)
    return confined.relative(path)


def list_directory(confined: Confined, path: str, *, depth: int) -> Sequence[DirEntry]:
    """Return the names in a folder and in those below, as deep as asked for."""
    if depth < 1:
        raise UsageError(f"a folder cannot be listed {depth} deep", hint="1 is the folder alone")
    with confined.opened("list", path) as folder:
        found = [_entry(one) for one in _walk(confined, folder, min(depth, _DEEPEST), path)]
    return sorted(found, key=lambda entry: entry.name)


def glob(confined: Confined, pattern: str, path: str) -> Sequence[str]:
    """Return the regular files below a folder that match, from the root, the newest first."""
    if pattern.startswith("/"):
        pattern, path = confined.relative(pattern), "."
    base = confined.relative(path)
    before = "" if base == "." else f"{base}/"
    with confined.opened("search", path) as folder:
        found = [
            (-one.status.st_mtime_ns, before + printable(one.path))
            for one in _walk(confined, folder, _DEEPEST, path, skip=".git")
            if stat.S_ISREG(one.status.st_mode) and matches(pattern, one.path)
        ]
    return [name for _, name in sorted(found)]


@dataclass(frozen=True)
class _Found:
    path: str
    status: os.stat_result


def _walk(
    confined: Confined, folder: int, depth: int, path: str, *, skip: str = ""
) -> Iterator[_Found]:
    """Yield all that is below, and follow no link."""
    with closing(_below(confined, folder, depth, "", skip)) as below:
        for count, found in enumerate(below):
            if count >= MOST_NAMES:
                raise FileUnusable(
                    f"there are more than {MOST_NAMES} names below {path}",
                    hint="choose a folder further down",
                )
            yield found


def _below(
    confined: Confined, folder: int, depth: int, before: str, skip: str
) -> Generator[_Found]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name != skip]
    for name in names:
        # What is gone or changed meanwhile is left out, and what is closed to us.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            place = confined.source_at(FolderEntry(folder, name))
            status = _status(place)
            yield _Found(before + name, status)
            if depth > 1 and stat.S_ISDIR(status.st_mode) and not _is_hidden(confined, status):
                with _opened(place, _FOLDER) as inner:
                    yield from _below(confined, inner, depth - 1, f"{before}{name}/", skip)


def _is_hidden(confined: Confined, status: os.stat_result) -> bool:
    return identity_of(status) in confined.hidden


def _entry(found: _Found) -> DirEntry:
    mode, size = found.status.st_mode, found.status.st_size
    regular = stat.S_ISREG(mode)
    return DirEntry(printable(found.path), stat.S_ISDIR(mode), size if regular else None)


def _status(place: FolderEntry) -> os.stat_result:
    return os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)


def _permissions(place: FolderEntry, path: str) -> int | None:
    """Return the permissions of the regular file that is there, if one is."""
    try:
        status = _status(place)
    except FileNotFoundError:
        return None
    _require_regular(status, path)
    return status.st_mode & 0o777


def _require_regular(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise FileUnusable(f"{path} is a folder", hint="list it, or name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise NotText(f"{path} is a pipe, a socket or a device, not a file")


@contextmanager
def _opened(place: FolderEntry, flags: int) -> Generator[int]:
    file = os.open(place.name, flags, 0o666, dir_fd=place.folder)
    try:
        yield file
    finally:
        os.close(file)


class FileTools:
    """Reads, writes, lists and searches the files of one folder."""

    def __init__(self, confined: Confined, searcher: Searcher, execute: Execute) -> None:
        self._confined = confined
        self._searcher = searcher
        self._execute = execute

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return a file's text, or lines of it."""
        return read_text(self._confined, path, offset=offset, limit=limit)

    async def write_file(self, path: str, content: str) -> None:
        """Write a file whole, its folders included."""
        write_text(self._confined, path, content)

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        delete(self._confined, path)

    async def file_exists(self, path: str) -> bool:
        """Tell whether there is a file or folder."""
        return exists(self._confined, path)

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the names in a folder."""
        return await asyncio.to_thread(list_directory, self._confined, path, depth=depth)

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files a pattern matches, the newest first."""
        return await asyncio.to_thread(glob, self._confined, pattern, path)

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return `file:line:text` for every line that matches."""
        below = require_there(self._confined, path)
        return await self._searcher.grep(pattern, below, options, self._execute)
