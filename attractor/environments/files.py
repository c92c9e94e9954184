"""Reads, writes and lists the files of a confined folder."""

import os
import secrets
import stat
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import write_fully
from attractor.environments.confined import Confined, Place, identity_of
from attractor.environments.environment import DirEntry
from attractor.environments.errors import FileMissing, FileUnusable, NotText
from attractor.environments.patterns import matches
from attractor.environments.texts import decode_text, encode_text, printable, select_lines

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
        # The name that `remove_leavings` knows, should we be killed before it is replaced.
        temporary = Place(place.folder, f".attractor-{os.getpid()}-{secrets.token_hex(8)}.tmp")
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
            place = confined.source_at(Place(folder, name))
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


def _status(place: Place) -> os.stat_result:
    return os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)


def _permissions(place: Place, path: str) -> int | None:
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
def _opened(place: Place, flags: int) -> Generator[int]:
    file = os.open(place.name, flags, 0o666, dir_fd=place.folder)
    try:
        yield file
    finally:
        os.close(file)
