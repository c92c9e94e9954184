"""Puts a file in place whole: at any moment, and after any death, it is the old one or the new.

Folders for nobody but us, in which every file and folder is ours alone.
"""

import errno
import os
import re
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attractor.base.errors import FileError

_HINTS = {
    errno.ENOSPC: "free some space on this disk, then try again",
    errno.EDQUOT: "your disk quota is used up: free some space, then try again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), then try again",
    errno.EMFILE: "raise the limit on open files (ulimit -n), then try again",
    errno.EROFS: "this file system is read-only: choose another folder, or mount it writable",
    errno.EACCES: "get permission for it, or choose another folder",
    errno.EPERM: "get permission for it, or choose another folder",
    errno.ENOENT: "create it first, and the folder it lies in",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another folder",
    errno.EISDIR: "a folder stands where the file is needed: choose another name",
    errno.ELOOP: "a symbolic link stands where the file is needed: put the file itself there",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOLCK: "this file system has no locks: choose a folder on a local disk",
    errno.EOPNOTSUPP: "this file system has no locks: choose a folder on a local disk",
}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_TEMPORARY = re.compile(r"\.attractor-([1-9][0-9]*)-[0-9a-f]{16}\.tmp")


def write_whole(
    path: str | Path, content: bytes | str, *, sync: bool = True, mode: int = 0o666
) -> None:
    """Replace a file by new content, or leave the old one as it was.

    A symbolic link is replaced, not followed. A file that is there keeps its permissions; a new one
    gets `mode`, less the umask and what its folder denies to others. Without `sync` a power failure
    may lose the new content.
    """
    try:
        data = content.encode() if isinstance(content, str) else content
        (_replace_synced if sync else _replace)(os.fspath(path), data, mode=mode)
    except UnicodeEncodeError as cause:
        hint = "take the half character (a lone surrogate) out of the text"
        raise FileError(f"cannot write {path}: {cause}", hint=hint) from cause
    except OSError as cause:
        raise file_error("write", path, cause) from cause


def sync_folder(path: str | Path) -> None:
    """Make the names in a folder last through a power failure."""
    try:
        with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as folder:
            _sync(folder)
    except OSError as cause:
        raise file_error("sync", path, cause) from cause


def remove_abandoned_files(folder: str | Path) -> int:
    """Remove the temporary files that killed writers left in a folder; return how many.

    A file goes only when no process has the number in its name, so a living writer's is never
    touched. That holds among processes that see each other's numbers: do not call it on a folder
    that other machines or containers write to.
    """
    try:
        left = [file for file in Path(folder).iterdir() if _is_leaving(file.name)]
        for file in left:
            file.unlink(missing_ok=True)
    except OSError as cause:
        raise file_error("clear", folder, cause) from cause
    return len(left)


def write_fully(file: int, data: bytes) -> None:
    """Write all bytes to an open file, however many calls the kernel needs."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def mode_within(folder: os.stat_result, mode: int) -> int:
    """Return permissions less those that a folder denies to others: what is private stays so."""
    return mode & (0o700 | folder.st_mode)


def is_running(pid: int) -> bool:
    """Say whether a process with this number exists."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def file_error(verb: str, path: str | Path, cause: OSError) -> FileError:
    """Tell in an error what could not be done with a file, and what would help."""
    return FileError(f"cannot {verb} {path}: {reason_of(cause)}", hint=hint_for(cause))


def reason_of(cause: OSError) -> str:
    """Return the kernel's words for an error, without the path."""
    return cause.strerror or str(cause)


def hint_for(cause: OSError) -> str:
    """Return what to do about an error of the file system."""
    return _HINTS.get(cause.errno or 0, "")


def _replace(target: str, data: bytes, *, mode: int) -> None:
    """Put new content in the place of a file; nothing is synced."""
    around, _ = os.path.split(target)
    temporary = f"{around or '.'}/{_name_of_temporary()}"
    # Not by a Path: this is done several times for each stage.
    found = os.stat(around or ".")  # noqa: PTH116
    _put(temporary, target, data, mode=mode, around=found)


def _replace_synced(target: str, data: bytes, *, mode: int) -> None:
    """Put new content in the place of a file when it is on the disk, and its name as well."""
    around, name = os.path.split(target)
    with _opened(around or ".", os.O_RDONLY | os.O_DIRECTORY) as folder:
        found = os.fstat(folder)
        _put(_name_of_temporary(), name, data, mode=mode, around=found, folder=folder)
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
    """Write a temporary file, synced if its folder is open, and put it in the place of another."""
    kept = _permissions(folder, target)
    given = mode_within(around, mode) if kept is None else kept
    try:
        file = os.open(temporary, _NEW, given, dir_fd=folder)
        try:
            if kept is not None:
                os.fchmod(file, kept)
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
    """Return the permissions of the regular file that is there, if one is."""
    try:
        found = os.stat(target, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    # Without setuid and setgid: the new file may belong to somebody else.
    return found.st_mode & 0o777 if stat.S_ISREG(found.st_mode) else None


def _sync(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as cause:
        # Some file systems cannot sync a folder and have no other way.
        if cause.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _is_leaving(name: str) -> bool:
    temporary = _TEMPORARY.fullmatch(name)
    return temporary is not None and not is_running(int(temporary[1]))


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
    """Make a folder, with those it lies in, for nobody but us; one that is there stays as it is."""
    try:
        for one in reversed([folder, *folder.parents]):
            if not one.is_dir():
                one.mkdir(mode=0o700, exist_ok=True)
    except OSError as cause:
        raise file_error("make", folder, cause) from cause


def make_private(path: Path) -> int:
    """Take away what others may do with a file or folder; return 1 if that was anything, else 0."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or not mode & _OTHERS:
            return 0
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except FileNotFoundError:  # somebody else was quicker
        return 0
    except OSError as cause:
        raise file_error("take others' permissions from", path, cause) from cause
    return 1


def make_tree_private(folder: Path) -> int:
    """Take away what others may do in a folder, links not followed; return in how many places."""
    return sum(map(make_private, _below(folder)))


def _below(folder: Path) -> Iterator[Path]:
    yield folder
    if folder.is_symlink():
        return
    for at, folders, names in os.walk(folder):
        yield from (Path(at, name) for name in (*folders, *names))
