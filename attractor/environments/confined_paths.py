"""Finds files under one folder and never outside it, whatever links and races lie in the way.

A path is walked name by name, each folder opened under the one before and no link followed by the
kernel. A link is read and walked as well: one that stays inside is good, one that leads out is not.
So nobody who changes the folder meanwhile can put something else under a name that was checked.

A sandbox may show files and folders from elsewhere in it, read-only. Where the walk comes to what
stands in for one, it goes on in that, as commands do, and nothing in there is changed.
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
# As many as the kernel allows on one path, so that links in a circle end.
_MOST_LINKS = 40
# Each step holds a file descriptor; a process may have no more than 1024 of them.
_DEEPEST = 200

Identity = tuple[int, int]
"""What a file or folder is, whatever its name: its device and its number there."""


def identity_of(status: os.stat_result) -> Identity:
    """Return what a file or folder is."""
    return status.st_dev, status.st_ino


@dataclass(frozen=True)
class FolderEntry:
    """A name in an open folder, `.` for the folder itself; there need be nothing yet.

    What is shown from elsewhere has its whole path as its name.
    """

    folder: int
    name: str


@dataclass(frozen=True)
class Confined:
    """A folder of this machine, and the absolute paths by which those inside know it.

    `shown` is what shows from elsewhere, by what stands in for it; of that, what is `hidden` is
    not to be seen.
    """

    root: Path
    names: Sequence[str]
    shown: Mapping[Identity, Path] = field(default_factory=dict[Identity, Path])
    hidden: Set[Identity] = frozenset()

    def relative(self, path: str) -> str:
        """Return a path as counted from the folder; refuse one that says it leads out."""
        parts = _split(self._below(path))
        if ".." in parts:
            raise PathOutside(f"{path} leads out of the working folder, or through ..")
        return "/".join(parts) or "."

    @contextmanager
    def located(
        self,
        verb: str,
        path: str,
        *,
        follow: bool = True,
        create: bool = False,
        change: bool = False,
    ) -> Generator[FolderEntry]:
        """Find where a path leads, its last link followed or not, its folders made or not.

        What is to be created or changed must not be shown from elsewhere. What the system refuses
        meanwhile is told in an error that begins with the verb.
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
        with self.located(verb, path) as place:
            folder = os.open(place.name, _FOLDER, dir_fd=place.folder)
            try:
                yield folder
            finally:
                os.close(folder)

    def below(self, link: str, path: str) -> str:
        """Return where an absolute link leads, as counted from the folder."""
        try:
            return self._below(link)
        except PathOutside as cause:
            raise PathOutside(f"{path} leads out of the working folder by a link") from cause

    def source_at(self, place: FolderEntry) -> FolderEntry:
        """Return the place of what shows at a place: elsewhere, when something stands in for it."""
        if not self.shown:
            return place
        status = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
        source = self.shown.get(identity_of(status))
        return FolderEntry(place.folder, str(source)) if source else place

    def _below(self, path: str) -> str:
        if "\0" in path:
            raise FileUnusable("a path holds a null character", hint="leave it out")
        if not path.startswith("/"):
            return path
        parts = _split(path)
        for name in sorted(self.names, key=len, reverse=True):
            known = _split(name)
            if parts[: len(known)] == known:
                return "/".join(parts[len(known) :])
        raise PathOutside(f"{path} is not in the working folder")


@dataclass(frozen=True)
class _Step:
    """An open folder on the way down, and whether it is shown from elsewhere."""

    folder: int
    is_shown: bool = False


class _Walk:
    """One way down: the folders it came through, kept open, and the names still to go."""

    def __init__(
        self, confined: Confined, verb: str, path: str, *, create: bool, change: bool
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
        # The root is the operator's: it may be reached through links.
        self._through.append(_Step(os.open(self._confined.root, _FOLDER & ~os.O_NOFOLLOW)))
        self._ahead.extend(_split(relative))

    def to_end(self, *, follow: bool) -> FolderEntry:
        while self._ahead:
            name = self._ahead.popleft()
            if name == "..":
                self._go_up()
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
        """Return the place at the end of the way."""
        here = self._through[-1]
        place = FolderEntry(here.folder, name)
        with suppress(FileNotFoundError):
            place = self._confined.source_at(place)
            if self._confined.hidden:
                self._require_open(os.stat(place.name, dir_fd=here.folder, follow_symlinks=False))
        if self._change and (here.is_shown or place.name != name):
            raise self._unchangeable()
        return place

    def _go_up(self) -> None:
        if len(self._through) == 1:
            raise PathOutside(f"{self._path} leads out of the working folder by a link")
        os.close(self._through.pop().folder)

    def _enter(self, name: str) -> None:
        if len(self._through) > _DEEPEST:
            raise OSError(errno.ENAMETOOLONG, "too many folders deep")
        here = self._through[-1]
        if self._create and not here.is_shown:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=here.folder)
        try:
            self._through.append(self._opened(name))
        except OSError as cause:
            # Kernels differ in which of the two they say of a link.
            target = self._link(name) if cause.errno in (errno.ELOOP, errno.ENOTDIR) else None
            if target is None:
                if self._change and here.is_shown:
                    raise self._unchangeable() from cause
                raise
            self._follow(target)

    def _opened(self, name: str) -> _Step:
        """Open a folder of the one we are in, or what is shown in its place."""
        here = self._through[-1]
        place = self._confined.source_at(FolderEntry(here.folder, name))
        folder = os.open(place.name, _FOLDER, dir_fd=here.folder)
        try:
            if self._confined.hidden:
                self._require_open(os.fstat(folder))
        except BaseException:
            os.close(folder)
            raise
        return _Step(folder, here.is_shown or place.name != name)

    def _require_open(self, status: os.stat_result) -> None:
        if identity_of(status) in self._confined.hidden:
            raise FileUnusable(f"{self._path} is hidden here", hint="do without it")

    def _unchangeable(self) -> FileUnusable:
        return FileUnusable(
            f"cannot {self._verb} {self._path}: it is brought along read-only, for all to use",
            hint="leave it as it is, and put what you make elsewhere in the working folder",
        )

    def _link(self, name: str) -> str | None:
        """Return where a link leads, None when it is none."""
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
