"""Runs the setup of a project; caches the created ignored files for later workspaces.

Agents can change the folders, so no link is followed, and no file is overwritten.
"""

import errno
import fcntl
import os
import shlex
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path, PurePosixPath

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, UsageError
from attractor.base.files import FoundEntry, file_error, walk_tree, write_fully, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.workspaces.errors import SetupFailed
from attractor.workspaces.folders import new_folder, remove_abandoned_folders, remove_folder
from attractor.workspaces.preparation import PYTHON_CACHE, PreparedState, prepared_state_from_record
from attractor.workspaces.snapshot import DEEPEST, SnapshotRules

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20
# Missing, or a parent is not a folder.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

CLONE = 0x40049409
"""The request of `ioctl` that shares all blocks of a file with another file (`FICLONE`)."""


def carry(source: Path, paths: Sequence[str], folder: Path, *, without: str = "") -> Sequence[str]:
    """Copy files and folders to the same paths of another folder.

    Return the paths that exist in the source folder. Files that exist in the other folder are not
    changed. Folders and files with the name `without` are not copied.
    """
    try:
        with _opened(source) as at, _opened(folder) as to:
            left_out = os.fsencode(without)
            return [path for path in paths if _carry(at, os.fsencode(path), to, left_out)]
    except OSError as cause:
        raise file_error(f"copy from {source} to", folder, cause) from cause


def changed_since(folder: Path, paths: Sequence[str], moment: float) -> list[str]:
    """Return the files below paths that changed since a moment, and folders that lost files.

    A program can set the time of a file, but not the time at which its status changed.
    """
    changed: list[str] = []
    for path in paths:
        for entry in walk_tree(folder / path):
            with suppress(FileNotFoundError):  # removed meanwhile
                if entry.status().st_ctime > moment:
                    changed.append(os.path.relpath(folder / path / entry.path, folder))
    # A new entry changes its folder, too.
    known = {os.path.dirname(place) for place in changed}  # noqa: PTH120
    return [
        place
        for place in changed
        if place not in known and PYTHON_CACHE not in PurePosixPath(place).parts
    ]


def exists_without_links(folder: Path, path: str) -> bool:
    """Return whether a path exists and no parent folder on the path is a link."""
    with suppress(OSError), _opened(folder) as at, _within(at, os.fsencode(path)) as parent:
        os.stat(PurePosixPath(path).name, dir_fd=parent, follow_symlinks=False)
        return True
    return False


def is_plain_entry(folder: Path, path: str) -> bool:
    """Return whether a path is a file or folder, and no parent folder on the path is a link."""
    if not _is_plain(path):
        return False
    with suppress(OSError), _opened(folder) as at, _within(at, os.fsencode(path)) as parent:
        found = os.stat(PurePosixPath(path).name, dir_fd=parent, follow_symlinks=False)
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
            raise UsageError(
                f"invalid path {path!r} in carry_read_only: {trouble}",
                hint="remove it from carry_read_only, or let Git forget it and commit: "
                f"git rm -r --quiet --cached {shlex.quote(path)}",
            )


def read_only_problem(
    path: str, rules: SnapshotRules, *, folder: Path, others: Sequence[str]
) -> str:
    """Return the reason why a path cannot be shown read-only, or "".

    `others` are the other carried paths, which must not overlap with this path.
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
    is_file = is_plain_entry(folder, path) and (folder / path).is_file()
    if is_file and not rules.ignores.ignores_file(name):
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


def _carry(source: int, path: bytes, to: int, without: bytes) -> bool:
    name = path.rpartition(b"/")[2]
    try:
        with _within(source, path) as at:
            os.stat(name, dir_fd=at, follow_symlinks=False)
            with _within(to, path, make=True) as below:
                _copy(name, at, below, without, depth=0)
    except OSError as cause:
        if cause.errno not in _ABSENT:
            raise
        return False
    return True


def _copy(name: bytes, source: int, to: int, without: bytes, *, depth: int) -> None:
    """Copy an entry of an open folder into another open folder."""
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        _copy_folder(name, source, to, without, depth)
    elif stat.S_ISLNK(status.st_mode):
        with suppress(FileExistsError):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=to)
    elif stat.S_ISREG(status.st_mode):
        with suppress(FileExistsError):
            _copy_file(name, source, to)


def _copy_folder(name: bytes, source: int, to: int, without: bytes, depth: int) -> None:
    if depth == DEEPEST:
        return
    _make(name, to)
    at = os.open(name, _FOLDER, dir_fd=source)
    try:
        below = os.open(name, _FOLDER, dir_fd=to)
        try:
            with os.scandir(at) as entries:
                names = sorted({os.fsencode(entry.name) for entry in entries} - {without})
            for inner in names:
                with suppress(FileNotFoundError):  # removed meanwhile
                    _copy(inner, at, below, without, depth=depth + 1)
        finally:
            os.close(below)
    finally:
        os.close(at)


def _copy_file(name: bytes, source: int, to: int) -> None:
    """Copy a file with its mode and modification time, because build tools compare the time."""
    at = os.open(name, _READ, dir_fd=source)
    try:
        status = os.fstat(at)
        with _new_file(name, to) as file:
            try:
                fcntl.ioctl(file, CLONE, at)
            except OSError:  # a file system without shared blocks
                while piece := os.read(at, _PIECE):
                    write_fully(file, piece)
            os.fchmod(file, stat.S_IMODE(status.st_mode) & 0o777)
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(at)


@contextmanager
def _new_file(name: bytes, to: int) -> Generator[int]:
    """Create a file that gets its name when it is complete, because a later call keeps it."""
    try:
        file = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=to)
        is_nameless = True
    except (AttributeError, OSError):  # not Linux, or a file system without unnamed files
        file = os.open(name, _NEW, 0o600, dir_fd=to)
        is_nameless = False
    try:
        yield file
        if is_nameless:
            os.link(f"/proc/self/fd/{file}", name, dst_dir_fd=to)
    finally:
        os.close(file)


def _make(name: bytes, at: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=at)


SETUPS = "setups"
_FILES = "files"
_CACHES = "caches"
_RECORD = "setup.json"
_SHOWN = 2000
_NO_SUCH_COMMAND = 127


async def run_setup(
    environment: ExecutionEnvironment, command: str, limit: timedelta
) -> ExecResult:
    """Run a setup in an environment."""
    try:
        await environment.initialize()
        milliseconds = round(limit.total_seconds() * 1000)
        return await environment.exec_command(command, timeout_ms=milliseconds)
    finally:
        await environment.cleanup()


def require_success(result: ExecResult, command: str, limit: timedelta) -> None:
    """Raise an error if a setup failed."""
    if result.timed_out:
        raise SetupFailed(f"the setup {command!r} exceeded {limit}:\n{_end_of(result)}")
    if result.exit_code == _NO_SUCH_COMMAND:
        raise SetupFailed(
            f"command not found in the setup {command!r}:\n{_end_of(result)}",
            hint="install it where the sandbox can see it, such as /usr/bin",
        )
    if result.exit_code:
        raise SetupFailed(
            f"the setup {command!r} failed with exit status {result.exit_code}:\n{_end_of(result)}"
        )


def _end_of(result: ExecResult) -> str:
    return result.output[-_SHOWN:].strip() or "no output"


@dataclass(frozen=True)
class SetupCache:
    """The files that setups created, by key, in the state folder.

    `caches` is the cache folder of the run, whose content is kept with them.
    """

    state: Path
    caches: Path

    def restore(self, key: str, folder: Path) -> PreparedState | None:
        """Copy the cached files of a setup into a folder; return None if no files are cached."""
        place = self._place / key
        prepared_state = _read_complete(place)
        if prepared_state is not None:
            carry(place / _FILES, prepared_state.made, folder)
            if self.caches.is_dir() and (place / _CACHES).is_dir():
                carry(place / _CACHES, _names(place / _CACHES), self.caches)
        return prepared_state

    def is_unused(self) -> bool:
        """Return whether the run has not written into its cache folder yet."""
        return not _names(self.caches)

    def save(self, prepared_state: PreparedState, folder: Path) -> None:
        """Copy the files of a setup from a folder, completely or not at all."""
        try:
            self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_abandoned_folders(self._place, lambda: ())
            with new_folder(self._place) as new:
                (new / _FILES).mkdir()
                carry(folder, prepared_state.made, new / _FILES)
                if names := _names(self.caches):
                    (new / _CACHES).mkdir()
                    carry(self.caches, names, new / _CACHES)
                write_whole(new / _RECORD, canonical_json(prepared_state.to_record()))
                self._put(new, self._place / prepared_state.key)
        except OSError as cause:
            raise file_error("write into", self._place, cause) from cause

    @property
    def _place(self) -> Path:
        return self.state / SETUPS

    def _put(self, new: Path, place: Path) -> None:
        """Rename an entry to its key, unless a complete entry with this key exists."""
        if place.exists() and _read_complete(place) is None:
            remove_folder(place)
        try:
            new.rename(place)
        except OSError:
            if not place.exists():
                raise
            remove_folder(new)


def _names(folder: Path) -> Sequence[str]:
    """Return the names in a folder, also if the folder is missing."""
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def _read_complete(place: Path) -> PreparedState | None:
    """Return a cache entry; None if the entry is incomplete."""
    with suppress(OSError, NotCanonical):
        prepared_state = prepared_state_from_record(parse_json((place / _RECORD).read_bytes()))
        if prepared_state and all(
            exists_without_links(place / _FILES, path) for path in prepared_state.made
        ):
            return prepared_state
    return None


def mentions_path(folder: Path, paths: Sequence[str], place: str) -> bool:
    """Return whether files or links contain a path, so that these files cannot be moved.

    Scripts of a `.venv` contain their path, for example. An unreadable file counts as containing
    the path; links are not followed.
    """
    words = tuple({os.fsencode(place), os.fsencode(os.path.realpath(place))})
    return any(_mentions(file, words) for path in paths for file in walk_tree(folder / path))


def _mentions(entry: FoundEntry, words: Sequence[bytes]) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):  # removed meanwhile
        try:
            mode = entry.status().st_mode
            if stat.S_ISLNK(mode):
                target = os.fsencode(os.readlink(entry.name, dir_fd=entry.folder))
                return any(word in target for word in words)
            return stat.S_ISREG(mode) and _file_mentions(entry, words)
        except PermissionError:
            return True
    return False


def _file_mentions(entry: FoundEntry, words: Sequence[bytes]) -> bool:
    # A path may cross the end of a piece.
    longest = max(map(len, words))
    rest = b""
    file = os.open(entry.name, _READ, dir_fd=entry.folder)
    try:
        while piece := os.read(file, _PIECE):
            piece = rest + piece
            if any(word in piece for word in words):
                return True
            rest = piece[-longest:]
    finally:
        os.close(file)
    return False
