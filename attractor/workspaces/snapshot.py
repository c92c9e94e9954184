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
from attractor.workspaces.git.objects import Objects
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
from attractor.workspaces.stat_cache import CachedFile, StatCache, seen

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
        raise file_error("read", folder, cause) from cause
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
