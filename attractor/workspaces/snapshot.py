"""Walks a folder and keeps what it holds as a tree, as it is, whatever git would make of it.

Remembers the id of each file of a folder by what the system tells of it, so that only what
changed is read again.

Finds files that git would refuse to hand on: what it says of attributes can be too long for it.

Keeping such a file does no harm. But nobody could push or clone a branch that has it.

Writes what a tree holds into a folder.
"""

import errno
import os
import re
import stat
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_trouble, write_whole
from attractor.base.json import content_hash
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces.errors import FolderInUse
from attractor.workspaces.files import write_files
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.objects import (
    FILE,
    FOLDER,
    LINK,
    NO_MATERIALS,
    PROGRAM,
    SUBMODULE,
    Change,
    FlatTree,
    Materials,
    Objects,
    text_of,
    write_folder,
)
from attractor.workspaces.git.repository import is_attributes, is_dot_git, is_modules
from attractor.workspaces.result_tree import ProtectedPaths

# A file can change twice within one tick of the system's clock, and look the same.
RACY_NS = 10_000_000


class CachedFile(NamedTuple):
    """What was known of a file when it was last read, and when that was."""

    changed_ns: int
    modified_ns: int
    size: int
    inode: int
    mode: int
    checked_ns: int
    id: bytes

    def still_holds(self, told: os.stat_result) -> bool:
        """Say whether the file is surely the same as when it was read."""
        return (
            self.changed_ns == told.st_ctime_ns
            and self.modified_ns == told.st_mtime_ns
            and self.size == told.st_size
            and self.inode == told.st_ino
            and self.mode == told.st_mode
            and self.changed_ns + RACY_NS < self.checked_ns
            and self.modified_ns + RACY_NS < self.checked_ns
        )


def seen(told: os.stat_result, checked_ns: int, object_id: bytes) -> CachedFile:
    """Note a file that has just been read, or written."""
    return CachedFile(
        told.st_ctime_ns,
        told.st_mtime_ns,
        told.st_size,
        told.st_ino,
        told.st_mode,
        checked_ns,
        object_id,
    )


StatCache = Mapping[bytes, CachedFile]
"""What is known of each file, by its path."""


def time_there(folder: Path, ours: Path) -> int:
    """Return the time as the file system of a folder has it, in nanoseconds.

    Where it has no files without a name, that of a folder of ours must do: in the other one an
    agent would see the file.
    """
    try:
        return _time_of_nameless(folder)
    except (AttributeError, OSError):
        probe = ours / "now"
        probe.touch(mode=0o600)
        return probe.stat().st_mtime_ns


def _time_of_nameless(folder: Path) -> int:
    file = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        return os.fstat(file).st_mtime_ns
    finally:
        os.close(file)


def save(cache: StatCache, path: Path) -> None:
    """Write a cache down."""
    lines = [
        b"%d %d %d %d %d %d %s %s" % (*known[:6], known.id.hex().encode(), name)
        for name, known in cache.items()
    ]
    content = b"\0".join(lines)
    write_whole(path, content_hash(content).encode() + b"\0" + content, sync=False)


def load(path: Path) -> StatCache:
    """Read a cache that was written down; a lost or damaged one is empty, which is only slow."""
    with suppress(OSError, ValueError):
        told, _, content = path.read_bytes().partition(b"\0")
        if told == content_hash(content).encode():
            return dict(map(_parse, filter(None, content.split(b"\0"))))
    return {}


def _parse(line: bytes) -> tuple[bytes, CachedFile]:
    *numbers, object_id, name = line.split(b" ", 7)
    changed, modified, size, inode, mode, checked = map(int, numbers)
    known = bytes.fromhex(object_id.decode())
    return name, CachedFile(changed, modified, size, inode, mode, checked, known)


LARGEST_FILE = 1 << 30
DEEPEST = 200

_AT_ONCE = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ATTEMPTS = 3


class Why(StrEnum):
    """Why something is not in a tree."""

    GIT = "git takes its name for its own"
    SPECIAL = "it is no file, folder or link"
    LARGE = "it is larger than 1 GiB"
    DEEP = "it lies more than 200 folders deep"
    UNREADABLE = "it cannot be read"
    UNSTEADY = "it changes while it is read"
    KEPT = "the project keeps that place to itself"


_NOT_OPENED = {
    errno.EACCES: Why.UNREADABLE,
    errno.EPERM: Why.UNREADABLE,
    # It was something else a moment ago.
    errno.ELOOP: Why.UNSTEADY,
    errno.ENOTDIR: Why.UNSTEADY,
    errno.ENXIO: Why.UNSTEADY,
}


@dataclass(frozen=True)
class Skipped:
    """Something in a folder that a tree cannot or must not hold."""

    path: str
    why: Why


@dataclass(frozen=True)
class Rules:
    """What belongs to the candidate: all but what is ignored, and of that what the base has."""

    ignores: IgnoreRules
    files: Set[bytes] = frozenset()
    folders: Set[bytes] = frozenset()
    kept: ProtectedPaths | None = None
    materials: Materials = NO_MATERIALS

    def keep_away(self, path: bytes, *, is_folder: bool) -> bool:
        """Say whether what stands at a path could never get into the project."""
        return self.kept is not None and self.kept.has(path, is_folder=is_folder)


@dataclass(frozen=True)
class Snapshot:
    """A folder as it was: its tree, what is not in it, and what makes the next walk quick.

    The dimension is the fork that it is of; the run's own has no name.
    """

    tree: str
    skipped: tuple[Skipped, ...]
    ignored: tuple[str, ...]
    cache: StatCache = field(repr=False)
    dimension: str = ""


def take_snapshot(
    folder: Path, objects: Objects, rules: Rules, *, cache: StatCache, now_ns: int
) -> Snapshot:
    """Keep a folder as it is; `now_ns` is the file system's time before the walk begins."""
    walk = _Walk(objects, rules, cache, now_ns)
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            tree = walk.folder(top, b"", depth=0, is_ignored=False)
        finally:
            os.close(top)
    except OSError as cause:
        raise file_trouble("read", folder, cause) from cause
    return Snapshot(
        (tree or write_folder(objects, [])).hex(),
        tuple(walk.skipped),
        tuple(walk.ignored),
        walk.seen,
    )


class _Walk:
    """One walk: what it found by the way."""

    def __init__(self, objects: Objects, rules: Rules, cache: StatCache, now_ns: int) -> None:
        self._objects = objects
        self._rules = rules
        self._files = rules.files
        self._materials = rules.materials
        self._cache = cache
        self._now_ns = now_ns
        self.seen: dict[bytes, CachedFile] = {}
        self.skipped: list[Skipped] = []
        self.ignored: list[str] = []

    def folder(self, at: int, prefix: bytes, *, depth: int, is_ignored: bool) -> bytes | None:
        """Keep an open folder and return its id; None when nothing in it is kept."""
        with os.scandir(at) as found:
            listed = list(found)
        is_beside = prefix[:-1] in self._rules.materials.folders
        entry = self._entry_beside if is_beside else self._entry
        entries: list[tuple[bytes, int, bytes]] = []
        for one in listed:
            # As os.fsencode does, in less time: there is one for each file of a project.
            name = one.name.encode("utf-8", "surrogateescape")
            try:
                kept = entry(at, one, name, prefix + name, depth, is_ignored)
            except FileNotFoundError:  # it went while we walked
                continue
            if kept:
                entries.append((name, *kept))
        return write_folder(self._objects, entries) if entries else None

    def _entry(
        self,
        at: int,
        one: os.DirEntry[str],
        name: bytes,
        path: bytes,
        depth: int,
        is_ignored: bool,
    ) -> tuple[int, bytes] | None:
        """Keep one name of a folder; return its mode and id."""
        told = one.stat(follow_symlinks=False)
        if path in self._files and stat.S_ISREG(told.st_mode):
            # So it is with most files, and none of what follows can be true of it.
            return self._file(at, name, path, told)
        is_folder = stat.S_ISDIR(told.st_mode)
        if is_dot_git(name):
            # The one at the top is the agent's own, which we never open.
            return None if path == b".git" else self._skip(path, Why.GIT)
        if is_folder and path in self._rules.materials.folders:
            return self._subfolder(at, name, path, depth, is_ignored)
        if self._rules.keep_away(path, is_folder=is_folder):
            # What is tried must be what would be promoted, and that never holds it.
            return self._skip(path, Why.KEPT)
        is_ignored = self._is_ignored(path, is_folder, is_ignored)
        if is_ignored and path not in (self._rules.folders if is_folder else self._rules.files):
            self.ignored.append(text_of(path))
            return None
        if is_folder:
            return self._subfolder(at, name, path, depth, is_ignored)
        if stat.S_ISLNK(told.st_mode):
            return self._link(at, name, path)
        return self._file(at, name, path, told)

    def _entry_beside(
        self,
        at: int,
        one: os.DirEntry[str],
        name: bytes,
        path: bytes,
        depth: int,
        is_ignored: bool,
    ) -> None:
        """Look at one name in a submodule, which no tree holds: what was changed there is told."""
        if one.is_dir(follow_symlinks=False) and path in self._rules.materials.folders:
            self._subfolder(at, name, path, depth, is_ignored)
            return
        told = one.stat(follow_symlinks=False)
        if stat.S_ISREG(told.st_mode):
            found = self._file(at, name, path, told)
        else:
            found = self._link(at, name, path) if stat.S_ISLNK(told.st_mode) else None
        wanted = self._rules.materials.beside.get(path)
        if wanted is None or found != (wanted.mode, wanted.id):
            self._skip(path, Why.KEPT)

    def _is_ignored(self, path: bytes, is_folder: bool, is_ignored: bool) -> bool:
        if is_ignored or (not is_folder and path in self._rules.files):
            return is_ignored
        return self._rules.ignores.ignores(path, is_folder=is_folder)

    def _subfolder(
        self, at: int, name: bytes, path: bytes, depth: int, is_ignored: bool
    ) -> tuple[int, bytes] | None:
        if depth == DEEPEST:
            return self._skip(path, Why.DEEP)
        try:
            below = os.open(name, _READ | os.O_DIRECTORY, dir_fd=at)
        except OSError as cause:
            if cause.errno not in _NOT_OPENED:
                raise
            return self._skip(path, _NOT_OPENED[cause.errno])
        try:
            kept = self.folder(below, path + b"/", depth=depth + 1, is_ignored=is_ignored)
        finally:
            os.close(below)
        return (FOLDER, kept) if kept else None

    def _link(self, at: int, name: bytes, path: bytes) -> tuple[int, bytes] | None:
        # git refuses a tree in which this file is a link.
        if is_modules(name):
            return self._skip(path, Why.GIT)
        return LINK, self._objects.write("blob", os.readlink(name, dir_fd=at))

    def _file(
        self, at: int, name: bytes, path: bytes, told: os.stat_result
    ) -> tuple[int, bytes] | None:
        if not stat.S_ISREG(told.st_mode):
            return self._skip(path, Why.SPECIAL)
        known = self._cache.get(path)
        if known is None or not known.still_holds(told):
            known = self._read(at, name, path)
        if known is None:
            return None
        self.seen[path] = known
        kept = self._materials.kept(path, known.id) if self._materials.contents else known.id
        return PROGRAM if known.mode & stat.S_IXUSR else FILE, kept

    def _read(self, at: int, name: bytes, path: bytes) -> CachedFile | None:
        try:
            file = os.open(name, _READ, dir_fd=at)
        except OSError as cause:
            if cause.errno not in _NOT_OPENED:
                raise
            return self._skip(path, _NOT_OPENED[cause.errno])
        try:
            for _ in range(_ATTEMPTS):
                told = os.fstat(file)
                if not stat.S_ISREG(told.st_mode):
                    break
                if told.st_size > LARGEST_FILE:
                    return self._skip(path, Why.LARGE)
                kept = self._keep(file, told)
                if kept:
                    return seen(told, self._now_ns, kept)
                os.lseek(file, 0, os.SEEK_SET)
        finally:
            os.close(file)
        return self._skip(path, Why.UNSTEADY)

    def _keep(self, file: int, told: os.stat_result) -> bytes | None:
        if told.st_size > _AT_ONCE:
            return self._objects.write_large(file, told.st_size)
        content = os.read(file, _AT_ONCE + 1)
        return self._objects.write("blob", content) if len(content) == told.st_size else None

    def _skip(self, path: bytes, why: Why) -> None:
        self.skipped.append(Skipped(text_of(path), why))


_LARGEST = 100 << 20
_LONG_LINE = re.compile(rb"[^\n]{2048}")


async def offending_attributes(store: Store, since: str, until: str) -> Sequence[str]:
    """Return the paths of attributes that changed between two trees and that git refuses."""
    changed = [one for one in await store.changes(since, until) if _tells_attributes(one)]
    files = [one for one in changed if _is_plain_file(one)]
    others = [one.path for one in changed if not _is_plain_file(one)]
    ids = [one.after.id for one in files if one.after]
    offending = await store.with_blobs(ids, lambda texts: list(map(_offends, texts)))
    found = [one.path for one, offends in zip(files, offending, strict=True) if offends]
    return sorted(text_of(path) for path in [*others, *found])


def _tells_attributes(change: Change) -> bool:
    return change.after is not None and any(map(is_attributes, change.path.split(b"/")))


def _is_plain_file(change: Change) -> bool:
    is_name = is_attributes(change.path.rpartition(b"/")[2])
    return is_name and change.after is not None and change.after.mode in (FILE, PROGRAM)


def _offends(content: bytes) -> bool:
    return len(content) > _LARGEST or _LONG_LINE.search(content) is not None


async def export_tree(store: Store, tree: TreeId, to: Path, materials: Materials) -> None:
    """Write a tree's files, and what belongs beside them, into a new or empty folder."""
    make_folder(to)
    if any(to.iterdir()):
        raise FolderInUse(f"{to} is not empty")
    await write_out(store, materials.laid_into(await store.files_of(tree)), to)


async def write_out(store: Store, shown: FlatTree, folder: Path) -> StatCache:
    """Write files into a folder, and return what is then known of them."""
    files = [(path, entry) for path, entry in shown.items() if entry.mode != SUBMODULE]
    written = await store.with_blobs(
        [entry.id for _, entry in files], partial(write_files, folder, files)
    )
    now_ns = time_there(folder, store.folder)
    return {
        path: seen(written[path], now_ns, entry.id) for path, entry in files if entry.mode != LINK
    }


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_trouble("create", folder, cause) from cause
