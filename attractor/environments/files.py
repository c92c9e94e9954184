"""Reads, writes, lists and searches the files of a confined folder."""

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
from attractor.environments._search import matches
from attractor.environments.confined_paths import ConfinedFolder, FolderEntry, file_identity
from attractor.environments.environment import DirEntry, GrepOptions
from attractor.environments.errors import FileMissing, FileUnusable, NotText
from attractor.environments.search import Execute, Searcher


def decode_text(data: bytes, path: str) -> str:
    """Return bytes as text, or raise NotText."""
    if b"\0" in data:
        raise NotText(f"{path} is a binary file")
    try:
        return data.decode()
    except UnicodeDecodeError as cause:
        raise NotText(f"{path} is not UTF-8 text, at byte {cause.start}") from cause


def encode_text(content: str | bytes, path: str) -> bytes:
    """Return text as bytes, or reject a lone surrogate; bytes are returned as they are."""
    try:
        return content.encode() if isinstance(content, str) else content
    except UnicodeEncodeError as cause:
        hint = "remove the lone surrogate from the text"
        raise FileUnusable(f"cannot write {path}: {cause}", hint=hint) from cause


def select_lines(text: str, offset: int | None, limit: int | None) -> str:
    """Return `limit` lines from the 1-based line `offset` (default: all)."""
    start = 1 if offset is None else offset
    if start < 1 or (limit is not None and limit < 0):
        raise UsageError(
            f"invalid line {start} or limit {limit}",
            hint="lines start at 1, and a limit is not negative",
        )
    stop = None if limit is None else start - 1 + limit
    return "".join(islice(io.StringIO(text, newline="\n"), start - 1, stop))


def printable(name: str) -> str:
    """Return a file name as valid text, with invalid bytes replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


MAX_READ = 32 * 1024 * 1024
MAX_NAMES = 200_000

# Without O_NONBLOCK, opening a named pipe waits for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Each step down holds a file descriptor; a process may have no more than 1024 of them.
_MAX_DEPTH = 200


def read_text(confined: ConfinedFolder, path: str, *, offset: int | None, limit: int | None) -> str:
    """Return the text of a regular file, or some lines of the text."""
    data = read_data(confined, path, limit=MAX_READ + 1)
    if len(data) > MAX_READ:
        raise FileUnusable(
            f"{path} is larger than {MAX_READ} bytes",
            hint="read a part with a command, such as sed -n or tail",
        )
    return select_lines(decode_text(data, path), offset, limit)


def read_data(confined: ConfinedFolder, path: str, *, limit: int) -> bytes:
    """Return the first `limit` bytes of a regular file."""
    with confined.locate("read", path) as place, _opened(place, _READ) as file:
        _require_regular(os.fstat(file), path)
        with os.fdopen(file, "rb", closefd=False) as reader:
            return reader.read(limit)


def write_data(
    confined: ConfinedFolder, path: str, content: str | bytes, permissions_of: str = ""
) -> None:
    """Write a file atomically, and create missing parent folders.

    The permissions of an existing file are kept.
    """
    data = encode_text(content, path)
    permissions = None
    if permissions_of:
        with confined.locate("read", permissions_of) as source:
            permissions = _permissions(source, permissions_of)
    with confined.locate("write", path, create=True) as place:
        permissions = _permissions(place, path) or permissions
        # The name that `remove_abandoned_files` knows, should we be killed before it is replaced.
        temporary = FolderEntry(
            place.folder, f".attractor-{os.getpid()}-{secrets.token_hex(8)}.tmp"
        )
        try:
            with _opened(temporary, _CREATE) as file:
                if permissions is not None:
                    os.fchmod(file, permissions)
                write_fully(file, data)
            os.replace(temporary.name, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary.name, dir_fd=place.folder)


def delete(confined: ConfinedFolder, path: str) -> None:
    """Remove a file or a link, but not the target of a link."""
    with confined.locate("delete", path, follow=False, change=True) as place:
        if stat.S_ISDIR(_status(place).st_mode):
            raise FileUnusable(f"{path} is a folder", hint="remove folders with a command")
        os.unlink(place.name, dir_fd=place.folder)


def exists(confined: ConfinedFolder, path: str) -> bool:
    """Return whether a path is a file or folder."""
    try:
        with confined.locate("look for", path) as place:
            _status(place)
    except FileMissing:
        return False
    except FileUnusable as error:
        # A folder of the path is a file.
        if isinstance(error.cause, NotADirectoryError):
            return False
        raise
    return True


def require_folder(confined: ConfinedFolder, path: str) -> str:
    """Return the relative path of an existing folder."""
    with confined.opened("enter", path):
        return confined.relative(path)


def require_there(confined: ConfinedFolder, path: str) -> str:
    """Return the relative path of an existing file or folder."""
    with confined.locate("search", path) as place:
        _status(place)
    return confined.relative(path)


def list_directory(confined: ConfinedFolder, path: str, *, depth: int) -> Sequence[DirEntry]:
    """Return the entries of a folder and of folders below, to a depth."""
    if depth < 1:
        raise UsageError(
            f"invalid depth {depth}", hint="use 1 or more; 1 lists only the direct entries"
        )
    entries: list[DirEntry] = []
    with confined.opened("list", path) as folder:
        for found in _walk(confined, folder, min(depth, _MAX_DEPTH), path):
            mode, size = found.status.st_mode, found.status.st_size
            shown_size = size if stat.S_ISREG(mode) else None
            entries.append(DirEntry(printable(found.path), stat.S_ISDIR(mode), shown_size))
    return sorted(entries, key=lambda entry: entry.name)


def glob(confined: ConfinedFolder, pattern: str, path: str) -> Sequence[str]:
    """Return the regular files below a folder that match a pattern, the newest first."""
    if pattern.startswith("/"):
        pattern, path = confined.relative(pattern), "."
    base = confined.relative(path)
    before = "" if base == "." else f"{base}/"
    with confined.opened("search", path) as folder:
        found = [
            (-file.status.st_mtime_ns, before + printable(file.path))
            for file in _walk(confined, folder, _MAX_DEPTH, path, skip=".git")
            if stat.S_ISREG(file.status.st_mode) and matches(pattern, file.path)
        ]
    return [name for _, name in sorted(found)]


@dataclass(frozen=True)
class _FoundFile:
    path: str
    status: os.stat_result


def _walk(
    confined: ConfinedFolder, folder: int, depth: int, path: str, *, skip: str = ""
) -> Iterator[_FoundFile]:
    """Yield all files below a folder, without following links."""
    with closing(_below(confined, folder, depth, "", skip)) as below:
        for count, found in enumerate(below):
            if count >= MAX_NAMES:
                raise FileUnusable(
                    f"there are more than {MAX_NAMES} names below {path}",
                    hint="choose a deeper folder",
                )
            yield found


def _below(
    confined: ConfinedFolder, folder: int, depth: int, before: str, skip: str
) -> Generator[_FoundFile]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name != skip]
    for name in names:
        # Skip files that vanish or change meanwhile, and unreadable ones.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            place = confined.source_at(FolderEntry(folder, name))
            status = _status(place)
            yield _FoundFile(before + name, status)
            is_hidden = file_identity(status) in confined.hidden
            if depth > 1 and stat.S_ISDIR(status.st_mode) and not is_hidden:
                with _opened(place, _FOLDER) as inner:
                    yield from _below(confined, inner, depth - 1, f"{before}{name}/", skip)


def _status(place: FolderEntry) -> os.stat_result:
    return os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)


def _permissions(place: FolderEntry, path: str) -> int | None:
    """Return the permissions of an existing regular file, otherwise None."""
    try:
        status = _status(place)
    except FileNotFoundError:
        return None
    _require_regular(status, path)
    return status.st_mode & 0o777


def _require_regular(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise FileUnusable(f"{path} is a folder", hint="list the folder, or name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise NotText(f"{path} is a pipe, a socket or a device")


@contextmanager
def _opened(place: FolderEntry, flags: int) -> Generator[int]:
    file = os.open(place.name, flags, 0o666, dir_fd=place.folder)
    try:
        yield file
    finally:
        os.close(file)


class FileTools:
    """Reads, writes, lists and searches the files of one folder."""

    def __init__(self, confined: ConfinedFolder, searcher: Searcher, execute: Execute) -> None:
        self._confined = confined
        self._searcher = searcher
        self._execute = execute

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return the text of a file, or some lines of the text."""
        return read_text(self._confined, path, offset=offset, limit=limit)

    async def read_bytes(self, path: str, *, limit: int) -> bytes:
        """Return the first `limit` bytes of a file."""
        return read_data(self._confined, path, limit=limit)

    async def write_file(
        self, path: str, content: str | bytes, *, permissions_of: str = ""
    ) -> None:
        """Write a file, and create missing parent folders."""
        write_data(self._confined, path, content, permissions_of)

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        delete(self._confined, path)

    async def file_exists(self, path: str) -> bool:
        """Return whether a file or folder exists."""
        return exists(self._confined, path)

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the entries of a folder."""
        return await asyncio.to_thread(list_directory, self._confined, path, depth=depth)

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files that match a pattern, the newest first."""
        return await asyncio.to_thread(glob, self._confined, pattern, path)

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return `file:line:text` for every line that matches."""
        below = require_there(self._confined, path)
        return await self._searcher.grep(pattern, below, options, self._execute)
