"""Finds files below one folder and never outside this folder, despite links and races.

A path is walked name by name: each folder is opened below the previous folder, and the kernel
follows no link. A link is read and walked as well: it is accepted inside the folder and rejected
outside. Therefore a process that changes the folder meanwhile cannot replace a name that was
checked. A sandbox can mount files and folders from elsewhere in the folder, read-only. The walk
continues in the source of a mount, as commands do, and changes nothing there.
"""

import errno
import os
from collections import deque
from collections.abc import Generator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import field
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.environments.errors import FileUnusable, PathOutside, file_failure

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# The limit of the kernel, so that a cycle of links ends.
_MOST_LINKS = 40
# Each step holds a file descriptor; a process may have no more than 1024 of them.
_DEEPEST = 200

FileIdentity = tuple[int, int]
"""The device and the inode of a file or folder."""


def file_identity(status: os.stat_result) -> FileIdentity:
    """Return the device and the inode of a file or folder."""
    return status.st_dev, status.st_ino


@dataclass(frozen=True)
class FolderEntry:
    """A name in an open folder (`.` for the folder itself); the entry does not have to exist.

    For the source of a mount, the name is the absolute path of the source.
    """

    folder: int
    name: str


@dataclass(frozen=True)
class ConfinedFolder:
    """A folder of this machine, and the absolute paths by which commands see the folder.

    `mounts` maps mount points to sources outside the folder; `hidden` files in the sources are
    invisible.
    """

    root: Path
    names: Sequence[str]
    mounts: Mapping[FileIdentity, Path] = field(default_factory=dict[FileIdentity, Path])
    hidden: Set[FileIdentity] = frozenset()

    def relative(self, path: str) -> str:
        """Return a path relative to the folder, or reject a path outside of the folder."""
        parts = _split(self._below(path))
        if ".." in parts:
            raise PathOutside(f"{path} leads outside the working folder, or contains ..")
        return "/".join(parts) or "."

    @contextmanager
    def locate(
        self,
        verb: str,
        path: str,
        *,
        follow: bool = True,
        create: bool = False,
        change: bool = False,
    ) -> Generator[FolderEntry]:
        """Find the target of a path.

        With `follow`, a link at the end of the path is followed. With `create`, missing parent
        folders are created. A mount cannot be created or changed. An OSError becomes an error
        message that begins with the verb.
        """
        walk = _Walk(self, verb, path, create=create, change=create or change)
        try:
            walk.start(self.relative(path))
            yield walk.to_end(follow=follow)
        except OSError as cause:
            raise file_failure(verb, path, cause) from cause
        finally:
            walk.close()

    @contextmanager
    def opened(self, verb: str, path: str) -> Generator[int]:
        """Open a folder."""
        with self.locate(verb, path) as place:
            folder = os.open(place.name, _FOLDER, dir_fd=place.folder)
            try:
                yield folder
            finally:
                os.close(folder)

    def below(self, link: str, path: str) -> str:
        """Return the target of an absolute link, relative to the folder."""
        try:
            return self._below(link)
        except PathOutside as cause:
            raise PathOutside(f"{path} leads outside the working folder through a link") from cause

    def source_at(self, place: FolderEntry) -> FolderEntry:
        """Return the source of a mount point, and any other entry unchanged."""
        if not self.mounts:
            return place
        status = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
        source = self.mounts.get(file_identity(status))
        return FolderEntry(place.folder, str(source)) if source else place

    def _below(self, path: str) -> str:
        if "\0" in path:
            raise FileUnusable("a path contains a null character", hint="remove it")
        if not path.startswith("/"):
            return path
        parts = _split(path)
        for name in sorted(self.names, key=len, reverse=True):
            known = _split(name)
            if parts[: len(known)] == known:
                return "/".join(parts[len(known) :])
        raise PathOutside(f"{path} is outside the working folder")


@dataclass(frozen=True)
class _Step:
    """An open folder on the path, and whether the folder is in a mount."""

    folder: int
    is_mount: bool = False


class _Walk:
    """A walk along a path: the open folders so far, and the remaining names."""

    def __init__(
        self, confined: ConfinedFolder, verb: str, path: str, *, create: bool, change: bool
    ) -> None:
        self._confined = confined
        self._verb = verb
        self._path = path
        self._create = create
        self._change = change
        self._through: list[_Step] = []
        self._ahead: deque[str] = deque()
        self._links = 0

    def start(self, relative: str) -> None:
        # The root belongs to the operator: its path may contain links.
        self._through.append(_Step(os.open(self._confined.root, _FOLDER & ~os.O_NOFOLLOW)))
        self._ahead.extend(_split(relative))

    def to_end(self, *, follow: bool) -> FolderEntry:
        while self._ahead:
            name = self._ahead.popleft()
            if name == "..":
                if len(self._through) == 1:
                    raise PathOutside(
                        f"{self._path} leads outside the working folder through a link"
                    )
                os.close(self._through.pop().folder)
            elif self._ahead:
                self._enter(name)
            elif follow and (target := self._link(name)) is not None:
                self._follow(target)
            else:
                return self._last(name)
        return self._last(".")

    def close(self) -> None:
        while self._through:
            os.close(self._through.pop().folder)

    def _last(self, name: str) -> FolderEntry:
        """Return the entry at the end of the path."""
        here = self._through[-1]
        place = FolderEntry(here.folder, name)
        with suppress(FileNotFoundError):
            place = self._confined.source_at(place)
            if self._confined.hidden:
                self._require_open(os.stat(place.name, dir_fd=here.folder, follow_symlinks=False))
        if self._change and (here.is_mount or place.name != name):
            raise self._unchangeable()
        return place

    def _enter(self, name: str) -> None:
        if len(self._through) > _DEEPEST:
            raise OSError(errno.ENAMETOOLONG, "too many folders deep")
        here = self._through[-1]
        if self._create and not here.is_mount:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=here.folder)
        try:
            self._through.append(self._opened(name))
        except OSError as cause:
            # Kernels differ in the error for a link.
            target = self._link(name) if cause.errno in (errno.ELOOP, errno.ENOTDIR) else None
            if target is None:
                if self._change and here.is_mount:
                    raise self._unchangeable() from cause
                raise
            self._follow(target)

    def _opened(self, name: str) -> _Step:
        """Open a folder in the current folder; for a mount point, open the source of the mount."""
        here = self._through[-1]
        place = self._confined.source_at(FolderEntry(here.folder, name))
        folder = os.open(place.name, _FOLDER, dir_fd=here.folder)
        try:
            if self._confined.hidden:
                self._require_open(os.fstat(folder))
        except BaseException:
            os.close(folder)
            raise
        return _Step(folder, here.is_mount or place.name != name)

    def _require_open(self, status: os.stat_result) -> None:
        if file_identity(status) in self._confined.hidden:
            raise FileUnusable(f"{self._path} is hidden", hint="use another file")

    def _unchangeable(self) -> FileUnusable:
        return FileUnusable(
            f"cannot {self._verb} {self._path}: it is mounted read-only",
            hint="leave it unchanged, and write elsewhere in the working folder",
        )

    def _link(self, name: str) -> str | None:
        """Return the target of a link, or None for any other entry."""
        try:
            return os.readlink(name, dir_fd=self._through[-1].folder)
        except OSError as cause:
            if cause.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise

    def _follow(self, target: str) -> None:
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.startswith("/"):
            target = self._confined.below(target, self._path)
            while len(self._through) > 1:
                os.close(self._through.pop().folder)
        self._ahead.extendleft(reversed(_split(target)))


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
