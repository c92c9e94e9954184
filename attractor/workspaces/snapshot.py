"""Stores the content of a folder as a tree, without git and its filters."""

import errno
import os
import stat
from collections.abc import Set
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.materials import NO_MATERIALS, Materials
from attractor.workspaces.git.objects import LooseObjects
from attractor.workspaces.git.reserved_names import is_dot_git, is_modules
from attractor.workspaces.git.trees import (
    FILE,
    FOLDER,
    LINK,
    PROGRAM,
    text_of,
    write_folder,
)
from attractor.workspaces.result_tree import ProtectedPaths
from attractor.workspaces.stat_cache import CachedFile, StatCache, cached_file

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
    """A path of a folder that is not in its snapshot."""

    path: str
    reason: SkipReason


@dataclass(frozen=True)
class SnapshotRules:
    """Which files belong to a snapshot: files that are not ignored, and files of the base."""

    ignores: IgnoreRules
    files: Set[bytes] = frozenset()
    folders: Set[bytes] = frozenset()
    protected: ProtectedPaths | None = None
    materials: Materials = NO_MATERIALS

    def is_protected(self, path: bytes, *, is_folder: bool) -> bool:
        """Return whether a path can never become part of the project."""
        return self.protected is not None and self.protected.has(path, is_folder=is_folder)


@dataclass(frozen=True)
class Snapshot:
    """The tree of a folder, the paths that are not in it, and the stat cache for the next snapshot.

    `dimension` is the name of the fork, empty for the first dimension of the run.
    """

    tree: str
    skipped: tuple[SkippedPath, ...]
    ignored: tuple[str, ...]
    cache: StatCache = field(repr=False)
    dimension: str = ""


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
    )


class _Walk:
    """One walk over a folder, with its findings."""

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

    def folder(self, at: int, prefix: bytes, *, depth: int, is_ignored: bool) -> bytes | None:
        """Store an open folder and return its id; None if it contains no files."""
        with os.scandir(at) as found:
            listed = list(found)
        is_in_submodule = prefix[:-1] in self._rules.materials.folders
        entry = self._submodule_entry if is_in_submodule else self._entry
        entries: list[tuple[bytes, int, bytes]] = []
        for item in listed:
            # Faster than os.fsencode: this runs for every file of a project.
            name = item.name.encode("utf-8", "surrogateescape")
            try:
                kept = entry(at, item, name, prefix + name, depth, is_ignored)
            except FileNotFoundError:  # removed during the walk
                continue
            if kept:
                entries.append((name, *kept))
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
        """Store an entry of a folder; return its mode and id."""
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
        if is_ignored and path not in (self._rules.folders if is_folder else self._rules.files):
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
        """Report a change of an entry in a submodule, which is not part of the tree."""
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
            kept = self.folder(below, path + b"/", depth=depth + 1, is_ignored=is_ignored)
        finally:
            os.close(below)
        return (FOLDER, kept) if kept else None

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
        kept = self._materials.tree_id(path, known.id) if self._materials.contents else known.id
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
                status = os.fstat(file)
                if not stat.S_ISREG(status.st_mode):
                    break
                if status.st_size > LARGEST_FILE:
                    return self._skip(path, SkipReason.LARGE)
                kept = self._keep(file, status)
                if kept:
                    return cached_file(status, self._now_ns, kept)
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
