"""Writes files atomically, makes private folders, and lists and removes folders of any depth.

The functions of the standard library fail in deep folders: they recurse, or use whole paths, which
the kernel limits to 4096 bytes.
"""

import errno
import io
import os
import shutil
import stat
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import AnyStr

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, FileError
from attractor.base.patterns import late_pattern

_HINTS = {
    errno.ENOSPC: "free space on this disk, then try again",
    errno.EDQUOT: "free space, then try again: the disk quota is used up",
    errno.EFBIG: "raise the limit on file size (ulimit -f), then try again",
    errno.EMFILE: "raise the limit on open files (ulimit -n), then try again",
    errno.EROFS: "choose another folder, or mount the file system writable",
    errno.EACCES: "change its permissions, or choose another folder",
    errno.EPERM: "change its permissions, or choose another folder",
    errno.ENOENT: "create it and its folder first",
    errno.ENOTDIR: "choose another folder: a file has the name of a folder in the path",
    errno.EISDIR: "choose another name: it is a folder",
    errno.ELOOP: "replace the symbolic link by the file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOLCK: "choose a folder on a local disk: this file system has no locks",
    errno.EOPNOTSUPP: "choose a folder on a local disk: this file system has no locks",
}
LARGEST = 1 << 28
"""The maximum size of a file that `read_regular` reads into memory."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_TEMPORARY = late_pattern(r"\.attractor-([1-9][0-9]*)-[0-9a-f]{16}\.tmp")


def write_whole(
    path: str | Path, content: bytes | str, *, sync: bool = True, mode: int = 0o666
) -> None:
    """Write a file atomically: after any crash the file has either the old or the new content.

    A symbolic link is replaced, not followed. An existing file keeps its permissions; a new file
    gets `mode`, without the bits of the umask, and without permissions that its folder denies.
    Without `sync` a power failure may lose the new content.
    """
    try:
        data = content.encode() if isinstance(content, str) else content
        # Windows opens no folder.
        syncs = sync and sys.platform != "win32"
        (_replace_synced if syncs else _replace)(os.fspath(path), data, mode=mode)
    except UnicodeEncodeError as cause:
        hint = "remove the lone surrogate from the text"
        raise FileError(f"cannot write {path}: {cause}", hint=hint) from cause
    except OSError as cause:
        raise file_error("write", path, cause) from cause


def sync_folder(path: str | Path) -> None:
    """Sync a folder, so that new file names in the folder survive a power failure."""
    try:
        with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as folder:
            _sync(folder)
    except OSError as cause:
        raise file_error("sync", path, cause) from cause


def is_temporary(name: str) -> bool:
    """Return whether a file of this name is being written, or was left by a killed writer."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_abandoned_files(folder: str | Path) -> int:
    """Remove temporary files of killed writers from a folder; return their number.

    A file is only removed if no process has the number in the file name. Do not call this for
    a folder that other machines or containers write to, because their process numbers are unknown
    here.
    """
    try:
        files = [(file, _TEMPORARY.fullmatch(file.name)) for file in Path(folder).iterdir()]
        abandoned = [file for file, name in files if name and not is_running(int(name[1]))]
        for file in abandoned:
            file.unlink(missing_ok=True)
    except OSError as cause:
        raise file_error("clear", folder, cause) from cause
    return len(abandoned)


def open_regular(path: str | Path, *, dir_fd: int | None = None) -> io.BufferedReader:
    """Open a regular file for reading; refuse others, such as a FIFO, which may block forever."""
    # Non-blocking: only an open file shows its type.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        mode = os.fstat(file).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
    except OSError:
        os.close(file)
        raise
    return os.fdopen(file, "rb")


def read_regular(path: str | Path) -> bytes:
    """Return the content of a regular file; refuse others and very large ones."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise OSError(errno.EFBIG, f"it is larger than {LARGEST:,} bytes")
        return file.read()


def read_file(path: str | Path) -> bytes:
    """Return the content of a regular file, or raise a FileError."""
    try:
        return read_regular(path)
    except OSError as cause:
        raise file_error("read", path, cause) from cause


def remove_file(path: Path) -> None:
    """Remove a file if it exists, or raise a FileError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as cause:
        raise file_error("remove", path, cause) from cause


def read_text(path: str | Path, invalid: type[AttractorError]) -> str:
    """Return the text in a regular file; raise `invalid` if it is not UTF-8."""
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as cause:
        raise invalid(f"{path} is not UTF-8") from cause


def write_fully(file: int, data: bytes) -> None:
    """Write all bytes to an open file, in several calls if needed."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def mode_within(folder: os.stat_result, mode: int) -> int:
    """Return permissions without the permissions that a folder denies to others."""
    return mode & (0o700 | folder.st_mode)


def is_running(pid: int) -> bool:
    """Return whether a process with this number exists."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def file_error(verb: str, path: str | Path, cause: OSError) -> FileError:
    """Return an error that names the file, the reason and a remedy."""
    return FileError(f"cannot {verb} {path}: {reason_of(cause)}", hint=hint_for(cause))


def reason_of(cause: OSError) -> str:
    """Return the kernel's message of an error, without the path."""
    return cause.strerror or str(cause)


def hint_for(cause: OSError) -> str:
    """Return a remedy for an error of the file system."""
    return _HINTS.get(cause.errno or 0, "")


def _replace(target: str, data: bytes, *, mode: int) -> None:
    """Replace the content of a file without syncing."""
    around, _ = os.path.split(target)
    temporary = f"{around or '.'}/{_name_of_temporary()}"
    # Without a Path, which is slower: this runs several times for each stage.
    status = os.stat(around or ".")  # noqa: PTH116
    _put(temporary, target, data, mode=mode, around=status)


def _replace_synced(target: str, data: bytes, *, mode: int) -> None:
    """Replace the content of a file, and sync content and name."""
    around, name = os.path.split(target)
    with _opened(around or ".", os.O_RDONLY | os.O_DIRECTORY) as folder:
        status = os.fstat(folder)
        _put(_name_of_temporary(), name, data, mode=mode, around=status, folder=folder)
        _sync(folder)


def _put(
    temporary: str,
    target: str,
    data: bytes,
    *,
    mode: int,
    around: os.stat_result,
    folder: int | None = None,
) -> None:
    """Write a temporary file (synced if its folder is open) and rename it over the target."""
    permissions = _permissions(folder, target)
    created = mode_within(around, mode) if permissions is None else permissions
    try:
        file = os.open(temporary, _NEW, created, dir_fd=folder)
        try:
            if permissions is not None:
                os.fchmod(file, permissions)
            write_fully(file, data)
            if folder is not None:
                os.fsync(file)
        finally:
            os.close(file)
        os.replace(temporary, target, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _name_of_temporary() -> str:
    return f".attractor-{os.getpid()}-{os.urandom(8).hex()}.tmp"


def _permissions(folder: int | None, target: str) -> int | None:
    """Return the permissions of an existing regular file."""
    try:
        status = os.stat(target, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        raise OSError(errno.EINVAL, "it is a device")  # root could replace even /dev/null
    # Without setuid and setgid: the new file may have another owner.
    return status.st_mode & 0o777 if stat.S_ISREG(status.st_mode) else None


def _sync(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as cause:
        # Some file systems cannot sync a folder.
        if cause.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


@contextmanager
def _opened(
    name: str | Path, flags: int, mode: int = 0o777, folder: int | None = None
) -> Generator[int]:
    file = os.open(name, flags, mode, dir_fd=folder)
    try:
        yield file
    finally:
        os.close(file)


_OTHERS = 0o077


def make_private_folder(folder: Path) -> None:
    """Make a folder and its parents with mode 0700; existing folders stay unchanged."""
    try:
        for parent in reversed([folder, *folder.parents]):
            if not parent.is_dir():
                parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as cause:
        raise file_error("make", folder, cause) from cause


@dataclass(frozen=True)
class StoredFile:
    """A file of a folder to store: its path in the folder, content and permissions."""

    path: str
    content: bytes
    mode: int = 0o600


def store_private_folder(folder: Path, files: Iterable[StoredFile]) -> None:
    """Store a folder with a final rename, so that a crash leaves no incomplete folder.

    A folder that another process stored meanwhile is kept: its name stands for its content.
    """
    partial_folder = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial_folder, ignore_errors=True)
    try:
        make_private_folder(partial_folder)
        for file in files:
            make_private_folder((partial_folder / file.path).parent)
            write_whole(partial_folder / file.path, file.content, mode=file.mode)
        try:
            partial_folder.rename(folder)
        except OSError as cause:
            if not folder.is_dir():
                raise file_error("write", folder, cause) from cause
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    sync_folder(folder.parent)


def make_private(path: Path) -> list[Path]:
    """Remove all permissions of others from a file or folder; return it if there were any."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or not mode & _OTHERS:
            return []
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except FileNotFoundError:  # removed meanwhile
        return []
    except OSError as cause:
        raise file_error("change the permissions of", path, cause) from cause
    return [path]


def make_tree_private(folder: Path) -> list[Path]:
    """Remove all permissions of others below a folder; return the changed paths."""
    changed = make_private(folder)
    if not folder.is_symlink():
        for parent, folders, names in os.walk(folder):
            for name in (*folders, *names):
                changed += make_private(Path(parent, name))
    return changed


DEEPEST = 200
"""The maximum depth of the folders that `walk_paths` enters."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class FoundEntry:
    """A file, link or folder, by its name in an open folder (default: the working directory).

    `folder` and `parents`, the names of the folders on the way from the top, are valid until the
    walk continues.
    """

    folder: int | None
    name: str
    is_folder: bool
    parents: Sequence[str] = ()

    @property
    def path(self) -> str:
        """The path below the top of the walk."""
        return "/".join((*self.parents, self.name))

    def status(self) -> os.stat_result:
        """Return the status of the entry itself, not of the target of a link."""
        return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)


OnError = Callable[[OSError], object]
"""Type of a function that is called with the error of a folder, whose name is a path below."""


def _ignore(_: OSError) -> None:
    pass


def walk_tree(
    path: str | bytes | Path,
    *,
    dir_fd: int | None = None,
    unlock: bool = False,
    onerror: OnError = _ignore,
) -> Generator[FoundEntry]:
    """Yield everything below a path and then the path itself; a folder follows its entries.

    Unreadable folders are yielded without entries. With `unlock`, the owner gets all permissions of
    each folder.
    """
    top = os.fsdecode(path)
    try:
        is_folder = stat.S_ISDIR(os.stat(top, dir_fd=dir_fd, follow_symlinks=False).st_mode)
    except OSError as error:
        onerror(error)
        return
    if is_folder:
        try:
            yield from _entries_below(_open(top, dir_fd, unlock), unlock, onerror)
        except OSError as error:
            onerror(error)
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


def _entries_below(at: int, unlock: bool, onerror: OnError) -> Generator[FoundEntry]:
    """Yield everything below an open folder, and close the folder."""
    parents: list[str] = []
    report = partial(_report, onerror, parents)
    try:
        levels = [(_identity(at), _entries(at, report))]
        while True:
            _, entries = levels[-1]
            while entries:
                name, is_folder = entries.pop()
                inner = _opened_folder(name, at, unlock, report) if is_folder else None
                if inner is None:
                    yield FoundEntry(at, name, is_folder, parents)
                    continue
                os.close(at)
                at = inner
                parents.append(name)
                entries = _entries(at, report)
                levels.append((_identity(at), entries))
            levels.pop()
            if not levels:
                return
            up = os.open("..", _FOLDER, dir_fd=at)
            os.close(at)
            at = up
            if _identity(at) != levels[-1][0]:
                report(OSError(errno.ESTALE, "it was moved meanwhile"))
                return
            yield FoundEntry(at, parents.pop(), True, parents)
    finally:
        os.close(at)


def _report(onerror: OnError, parents: Sequence[str], error: OSError, *names: str) -> None:
    error.filename = "/".join((*parents, *names))
    onerror(error)


def _opened_folder(
    name: str, at: int, unlock: bool, report: Callable[[OSError, str], object]
) -> int | None:
    try:
        return _open(name, at, unlock)
    except OSError as error:
        report(error, name)
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
        mode = stat.S_IMODE(os.fstat(folder).st_mode)
        with suppress(OSError):
            os.fchmod(folder, mode | 0o700)
    return folder


def _entries(folder: int, report: OnError) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError as error:
        report(error)
        return []


def _identity(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino
