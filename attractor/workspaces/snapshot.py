"""Stores the content of a folder as a tree, and writes a tree into a folder.

Neither Git nor the filters of Git are used.
"""

import errno
import os
import stat
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error, write_whole
from attractor.base.json import content_hash
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.errors import FolderInUse
from attractor.workspaces.git.files import write_files
from attractor.workspaces.git.gitignore import NOTHING_IGNORED, IgnoreRules
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import (
    FILE,
    FOLDER,
    LINK,
    NO_MATERIALS,
    PROGRAM,
    SUBMODULE,
    FlatTree,
    LooseObjects,
    Materials,
    text_of,
    write_folder,
)
from attractor.workspaces.result_tree import BUILD_FOLDERS, ProtectedPaths, is_dot_git, is_modules

# A file can change twice within one tick of the system clock without a different time.
RACY_NS = 10_000_000


class CachedFile(NamedTuple):
    """The status and object id of a file when it was last read."""

    changed_ns: int
    modified_ns: int
    size: int
    inode: int
    mode: int
    checked_ns: int
    id: bytes

    def is_valid(self, status: os.stat_result) -> bool:
        """Return whether the file is certainly unchanged."""
        return (
            self.changed_ns == status.st_ctime_ns
            and self.modified_ns == status.st_mtime_ns
            and self.size == status.st_size
            and self.inode == status.st_ino
            and self.mode == status.st_mode
            and self.changed_ns + RACY_NS < self.checked_ns
            and self.modified_ns + RACY_NS < self.checked_ns
        )


def cached_file(status: os.stat_result, checked_ns: int, object_id: bytes) -> CachedFile:
    """Return the entry of a file that was just read or written."""
    return CachedFile(
        status.st_ctime_ns,
        status.st_mtime_ns,
        status.st_size,
        status.st_ino,
        status.st_mode,
        checked_ns,
        object_id,
    )


StatCache = Mapping[bytes, CachedFile]
"""The cache entries by path."""

NO_FILES: StatCache = {}


def filesystem_time(folder: Path, ours: Path) -> int:
    """Return the time of the file system of a folder, in nanoseconds.

    If the file system does not support unnamed files, return the time in the folder `ours`, because
    an agent would see a named file.
    """
    try:
        file = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            return os.fstat(file).st_mtime_ns
        finally:
            os.close(file)
    except (AttributeError, OSError):
        probe = ours / "now"
        probe.touch(mode=0o600)
        return probe.stat().st_mtime_ns


def save(cache: StatCache, path: Path) -> None:
    """Write a stat cache to a file."""
    lines = [
        b"%d %d %d %d %d %d %s %s" % (*entry[:6], entry.id.hex().encode(), name)
        for name, entry in cache.items()
    ]
    content = b"\0".join(lines)
    write_whole(path, content_hash(content).encode() + b"\0" + content, sync=False)


def load(path: Path) -> StatCache:
    """Read a stat cache; a missing or corrupt cache counts as empty, which only costs time."""
    with suppress(OSError, ValueError):
        checksum, _, content = path.read_bytes().partition(b"\0")
        if checksum == content_hash(content).encode():
            return dict(map(_parse, filter(None, content.split(b"\0"))))
    return {}


def _parse(line: bytes) -> tuple[bytes, CachedFile]:
    *numbers, object_id, name = line.split(b" ", 7)
    changed, modified, size, inode, mode, checked = map(int, numbers)
    file_id = bytes.fromhex(object_id.decode())
    return name, CachedFile(changed, modified, size, inode, mode, checked, file_id)


LARGEST_FILE = 1 << 30
DEEPEST = 200

_AT_ONCE = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ATTEMPTS = 3


class SkipReason(StrEnum):
    """The reason why a path is not in a snapshot."""

    GIT = "its name is reserved by git"
    SPECIAL = "it is not a file, folder or link"
    LARGE = "it is larger than 1 GiB"
    DEEP = "it is more than 200 folders deep"
    UNREADABLE = "it cannot be read"
    UNSTEADY = "it changed while it was read"
    PROTECTED = "its path is protected by the project"


_NOT_OPENED = {
    errno.EACCES: SkipReason.UNREADABLE,
    errno.EPERM: SkipReason.UNREADABLE,
    # It was replaced a moment ago.
    errno.ELOOP: SkipReason.UNSTEADY,
    errno.ENOTDIR: SkipReason.UNSTEADY,
    errno.ENXIO: SkipReason.UNSTEADY,
}


@dataclass(frozen=True)
class SkippedPath:
    """A path of a folder that is not in the snapshot of this folder."""

    path: str
    reason: SkipReason


@dataclass(frozen=True)
class SnapshotRules:
    """The rules for a snapshot, which contains all files of the base and all files not ignored.

    New paths that match `leave_out` are ignored, and new build folders that match `build_folders`;
    a folder of the base is not.
    """

    ignores: IgnoreRules
    files: Set[bytes] = frozenset()
    folders: Set[bytes] = frozenset()
    protected: ProtectedPaths | None = None
    materials: Materials = NO_MATERIALS
    leave_out: IgnoreRules = NOTHING_IGNORED
    build_folders: IgnoreRules = NOTHING_IGNORED

    def is_protected(self, path: bytes, *, is_folder: bool) -> bool:
        """Return whether a path can never become part of the project."""
        return self.protected is not None and self.protected.has(path, is_folder=is_folder)


@dataclass(frozen=True)
class Snapshot:
    """A stored tree, the paths left out of it, and the stat cache for the next snapshot.

    `dimension` is the name of the fork, empty for the first dimension of the run. `built` are the
    ignored paths that are only ignored because they are build folders.
    """

    tree: str
    skipped: tuple[SkippedPath, ...]
    ignored: tuple[str, ...]
    cache: StatCache = field(repr=False)
    dimension: str = ""
    built: tuple[str, ...] = ()


def take_snapshot(
    folder: Path, objects: LooseObjects, rules: SnapshotRules, *, cache: StatCache, now_ns: int
) -> Snapshot:
    """Store the content of a folder; `now_ns` is the file system time before the walk."""
    walk = _Walk(objects, rules, cache, now_ns)
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            tree = walk.folder(top, b"", depth=0, is_ignored=False)
        finally:
            os.close(top)
    except OSError as cause:
        raise file_error("read", folder, cause) from cause
    return Snapshot(
        (tree or write_folder(objects, [])).hex(),
        tuple(walk.skipped),
        tuple(walk.ignored),
        walk.cache,
        built=tuple(walk.built),
    )


class _Walk:
    """One walk over a folder, with the paths and objects found so far."""

    def __init__(
        self, objects: LooseObjects, rules: SnapshotRules, cache: StatCache, now_ns: int
    ) -> None:
        self._objects = objects
        self._rules = rules
        self._files = rules.files
        self._materials = rules.materials
        self._old_cache = cache
        self._now_ns = now_ns
        self.cache: dict[bytes, CachedFile] = {}
        self.skipped: list[SkippedPath] = []
        self.ignored: list[str] = []
        self.built: list[str] = []

    def folder(self, at: int, prefix: bytes, *, depth: int, is_ignored: bool) -> bytes | None:
        """Store an open folder and return its id; None for a folder without files."""
        with os.scandir(at) as found:
            listed = list(found)
        is_in_submodule = prefix[:-1] in self._rules.materials.folders
        entry = self._submodule_entry if is_in_submodule else self._entry
        entries: list[tuple[bytes, int, bytes]] = []
        for item in listed:
            # Faster than os.fsencode: this runs for every file of a project.
            name = item.name.encode("utf-8", "surrogateescape")
            try:
                stored = entry(at, item, name, prefix + name, depth, is_ignored)
            except FileNotFoundError:  # removed during the walk
                continue
            if stored:
                entries.append((name, *stored))
        return write_folder(self._objects, entries) if entries else None

    def _entry(
        self,
        at: int,
        item: os.DirEntry[str],
        name: bytes,
        path: bytes,
        depth: int,
        is_ignored: bool,
    ) -> tuple[int, bytes] | None:
        """Store an entry of a folder; return the mode and the id of the entry."""
        status = item.stat(follow_symlinks=False)
        if path in self._files and stat.S_ISREG(status.st_mode):
            # Fast path for most files: nothing below applies to them.
            return self._file(at, name, path, status)
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_dot_git(name):
            # The `.git` at the top belongs to the agent and is never opened.
            return None if path == b".git" else self._skip(path, SkipReason.GIT)
        if is_folder and path in self._rules.materials.folders:
            return self._subfolder(at, name, path, depth, is_ignored)
        if self._rules.is_protected(path, is_folder=is_folder):
            # A candidate is evaluated exactly as it would be promoted.
            return self._skip(path, SkipReason.PROTECTED)
        is_ignored = self._is_ignored(path, is_folder, is_ignored)
        is_new = path not in (self._rules.folders if is_folder else self._rules.files)
        if is_new and (is_ignored or self._is_left_out(at, item.name, path, is_folder)):
            self.ignored.append(text_of(path))
            return None
        if is_folder:
            return self._subfolder(at, name, path, depth, is_ignored)
        if stat.S_ISLNK(status.st_mode):
            return self._link(at, name, path)
        return self._file(at, name, path, status)

    def _submodule_entry(
        self,
        at: int,
        item: os.DirEntry[str],
        name: bytes,
        path: bytes,
        depth: int,
        is_ignored: bool,
    ) -> None:
        """Report a changed entry in a submodule, because submodules are not part of the tree."""
        if item.is_dir(follow_symlinks=False) and path in self._rules.materials.folders:
            self._subfolder(at, name, path, depth, is_ignored)
            return
        status = item.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            found = self._file(at, name, path, status)
        else:
            found = self._link(at, name, path) if stat.S_ISLNK(status.st_mode) else None
        wanted = self._rules.materials.beside.get(path)
        if wanted is None or found != (wanted.mode, wanted.id):
            self._skip(path, SkipReason.PROTECTED)

    def _is_ignored(self, path: bytes, is_folder: bool, is_ignored: bool) -> bool:
        if is_ignored or (not is_folder and path in self._rules.files):
            return is_ignored
        return self._rules.ignores.ignores(path, is_folder=is_folder)

    def _is_left_out(self, at: int, name: str, path: bytes, is_folder: bool) -> bool:
        if self._rules.leave_out.ignores(path, is_folder=is_folder):
            return True
        files = BUILD_FOLDERS.get(name, ()) if is_folder else ()
        if not self._rules.build_folders.ignores(path, is_folder=True) or not any(
            _is_file(at, file) for file in files
        ):
            return False
        self.built.append(text_of(path))
        return True

    def _subfolder(
        self, at: int, name: bytes, path: bytes, depth: int, is_ignored: bool
    ) -> tuple[int, bytes] | None:
        if depth == DEEPEST:
            return self._skip(path, SkipReason.DEEP)
        try:
            below = os.open(name, _READ | os.O_DIRECTORY, dir_fd=at)
        except OSError as cause:
            if cause.errno not in _NOT_OPENED:
                raise
            return self._skip(path, _NOT_OPENED[cause.errno])
        try:
            id_ = self.folder(below, path + b"/", depth=depth + 1, is_ignored=is_ignored)
        finally:
            os.close(below)
        return (FOLDER, id_) if id_ else None

    def _link(self, at: int, name: bytes, path: bytes) -> tuple[int, bytes] | None:
        # Git refuses a tree in which `.gitmodules` is a link.
        if is_modules(name):
            return self._skip(path, SkipReason.GIT)
        return LINK, self._objects.write("blob", os.readlink(name, dir_fd=at))

    def _file(
        self, at: int, name: bytes, path: bytes, status: os.stat_result
    ) -> tuple[int, bytes] | None:
        if not stat.S_ISREG(status.st_mode):
            return self._skip(path, SkipReason.SPECIAL)
        known = self._old_cache.get(path)
        if known is None or not known.is_valid(status):
            known = self._read(at, name, path)
        if known is None:
            return None
        self.cache[path] = known
        id_in_tree = (
            self._materials.tree_id(path, known.id) if self._materials.contents else known.id
        )
        return PROGRAM if known.mode & stat.S_IXUSR else FILE, id_in_tree

    def _read(self, at: int, name: bytes, path: bytes) -> CachedFile | None:
        try:
            file = os.open(name, _READ, dir_fd=at)
        except OSError as cause:
            if cause.errno not in _NOT_OPENED:
                raise
            return self._skip(path, _NOT_OPENED[cause.errno])
        try:
            for _ in range(_ATTEMPTS):
                status = os.fstat(file)
                if not stat.S_ISREG(status.st_mode):
                    break
                if status.st_size > LARGEST_FILE:
                    return self._skip(path, SkipReason.LARGE)
                id_ = self._keep(file, status)
                if id_:
                    return cached_file(status, self._now_ns, id_)
                os.lseek(file, 0, os.SEEK_SET)
        finally:
            os.close(file)
        return self._skip(path, SkipReason.UNSTEADY)

    def _keep(self, file: int, status: os.stat_result) -> bytes | None:
        if status.st_size > _AT_ONCE:
            return self._objects.write_large(file, status.st_size)
        content = os.read(file, _AT_ONCE + 1)
        return self._objects.write("blob", content) if len(content) == status.st_size else None

    def _skip(self, path: bytes, reason: SkipReason) -> None:
        self.skipped.append(SkippedPath(text_of(path), reason))


def _is_file(at: int, name: str) -> bool:
    with suppress(OSError):
        return stat.S_ISREG(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
    return False


async def export_tree(store: ObjectStore, tree: TreeId, to: Path, materials: Materials) -> None:
    """Write the files and materials of a tree into a new or empty folder."""
    make_folder(to)
    if any(to.iterdir()):
        raise FolderInUse(f"{to} is not empty")
    await write_out(store, materials.added_to(await store.files_of(tree)), to)


async def write_out(
    store: ObjectStore, files: FlatTree, folder: Path, *, parent: StatCache = NO_FILES
) -> StatCache:
    """Write files into a folder, and return the stat cache of these files.

    Unchanged files get the modification times that they have in the folder `parent`.
    """
    entries = [(path, entry) for path, entry in files.items() if entry.mode != SUBMODULE]
    modified_ns = {
        path: parent[path].modified_ns
        for path, entry in entries
        if path in parent and parent[path].id == entry.id
    }
    written = await store.with_blobs(
        [entry.id for _, entry in entries], partial(write_files, folder, entries, modified_ns)
    )
    now_ns = filesystem_time(folder, store.folder)
    return {
        path: cached_file(written[path], now_ns, entry.id)
        for path, entry in entries
        if entry.mode != LINK
    }


def make_folder(folder: Path) -> None:
    """Create a folder, unless the folder exists."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("create", folder, cause) from cause
