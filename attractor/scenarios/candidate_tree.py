"""The tree of a candidate in a trial: the files that changed, and copies for verifiers.

Agents control the names, types and permissions of the files, so links are not followed, and special
files are not opened. A copy has no link that leaves the tree: it could lead a verifier to its own
files. The `.git` of the tree is the candidate's own: it is not read, and not copied. Sizes and
times are limited: a sparse file of any size costs a candidate nothing.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic

from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_duration
from attractor.base.files import DEEPEST, walk_paths
from attractor.base.json import content_hash
from attractor.environments.errors import FileUnusable

MOST_BYTES = 4 << 30
"""The maximum size of a tree that is read or copied; a sparse file counts with its whole size."""

_GIT = ".git"
_PIECE = 1 << 20
# A process of the setup may still run, and put a link or pipe in the place of a file.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LONGEST_CHAIN = 40
"""The maximum number of links that Linux follows in a path."""


@dataclass(frozen=True)
class FileState:
    """The type, execute permission and content of a file; the content of a link is its target.

    `details` are all permissions and extended attributes, if they are compared.
    """

    kind: int
    is_executable: bool
    content: str
    details: str = ""


class _Limit:
    """The limit of the size and the time of reading a tree."""

    def __init__(self, within: timedelta) -> None:
        self._within, self._end = within, monotonic() + within.total_seconds()
        self.bytes_left = MOST_BYTES

    def count(self, size: int = 0) -> None:
        """Count bytes; raise FileUnusable if there are too many, or if the time is over."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise FileUnusable(f"the tree of the candidate is larger than {MOST_BYTES >> 30} GiB")
        if monotonic() >= self._end:
            limit = format_duration(self._within)
            raise FileUnusable(f"the tree of the candidate could not be read within {limit}")


def read_tree(folder: Path, *, within: timedelta, whole: bool = False) -> Mapping[str, FileState]:
    """Return the state of every file below a folder, by relative path; refuse a very large tree.

    A `.git` at its top is one path, without its content. With `whole`, it is read, too, and so are
    details and folders, whose paths end in a slash; a tree that is too deep is refused.
    """
    limit = _Limit(within)
    found = _files(folder, limit, whole=whole)
    # A file may grow while it is read.
    limit.bytes_left = MOST_BYTES
    states: dict[str, FileState] = {}
    for path in found if whole else (_GIT, *found):
        # A service that still runs may have removed it meanwhile.
        with suppress(FileNotFoundError):
            file = folder / path
            status = file.lstat()
            kind = stat.S_IFMT(status.st_mode)
            content = ""
            if stat.S_ISLNK(status.st_mode):
                content = str(file.readlink())
            elif stat.S_ISREG(status.st_mode):
                content = _hash(file, limit)
            details = _details(file, status) if whole else ""
            states[path] = FileState(kind, bool(status.st_mode & stat.S_IXUSR), content, details)
    return states


def _details(file: Path, status: os.stat_result) -> str:
    """Return the permissions and extended attributes of a file, but not those behind a link."""
    attributes: list[tuple[str, bytes]] = []
    # A file system without them, and a system without the functions.
    with suppress(OSError, AttributeError):
        for name in sorted(os.listxattr(file, follow_symlinks=False)):
            attributes.append((name, os.getxattr(file, name, follow_symlinks=False)))
    return f"{stat.S_IMODE(status.st_mode):o} {attributes or ''}"


def _hash(file: Path, limit: _Limit) -> str:
    digest = hashlib.sha256()
    try:
        with os.fdopen(os.open(file, _READ), "rb") as content:
            while piece := content.read(_PIECE):
                limit.count(len(piece))
                digest.update(piece)
    except PermissionError:
        return "unreadable"
    return digest.hexdigest()


def changed_paths(before: Mapping[str, FileState], after: Mapping[str, FileState]) -> Sequence[str]:
    """Return the paths of created, removed and changed files, sorted.

    A folder that was created or removed with files in it is not named.
    """
    paths = before.keys() | after.keys()
    changed = sorted(path for path in paths if before.get(path) != after.get(path))
    # The paths below a folder follow it.
    return [
        path
        for path, following in pairwise([*changed, ""])
        if not (path.endswith("/") and following.startswith(path))
        or (path in before and path in after)
    ]


def copy_tree(folder: Path, to: Path, *, within: timedelta, without: Collection[str] = ()) -> int:
    """Copy a tree; return the number of links that were left out because they leave the tree.

    Special files and unreadable parts are left out too, and so are the paths `without`. A very
    large tree is refused.
    """
    limit = _Limit(within)
    _files(folder, limit, without)

    leaving: list[Path] = []

    def left_out(inner: str, names: Sequence[str]) -> set[str]:
        limit.count()
        below = Path(inner).relative_to(folder)
        if len(below.parts) >= DEEPEST:
            return set(names)
        excluded = {name for name in names if str(below / name) in without}
        links = [name for name in names if name not in excluded and _leaves(folder, below / name)]
        leaving.extend(below / name for name in links if name != _GIT)
        return {
            *excluded,
            *links,
            # Also below the top: Git would run the programs that its configuration names.
            _GIT,
            *(name for name in names if not _can_be_copied(Path(inner, name))),
        }

    def copy_in_time(source: str, target: str) -> str:
        limit.count()
        return shutil.copy2(source, target, follow_symlinks=False)

    shutil.copytree(folder, to, symlinks=True, ignore=left_out, copy_function=copy_in_time)
    return len(leaving)


def copy_left(folder: Path, to: Path, *, within: timedelta) -> int:
    """Copy all that a setup left in a tree; return the number of entries that were left out.

    Times, permissions, links and hard links are kept, but not the `.git` of the tree. Special files
    and unreadable parts are left out. A very large tree is refused. `to` may exist.
    """
    limit = _Limit(within)
    _files(folder, limit)
    left_out = 0
    linked: dict[tuple[int, int], str] = {}

    def ignored(inner: str, names: Sequence[str]) -> set[str]:
        nonlocal left_out
        limit.count()
        below = Path(inner).relative_to(folder)
        is_too_deep = len(below.parts) >= DEEPEST
        without = {name for name in names if is_too_deep or not _can_be_copied(Path(inner, name))}
        git = {_GIT} if below == Path() else set[str]()
        left_out += len(without - git)
        return without | git

    def copy(source: str, target: str) -> str:
        limit.count()
        status = os.lstat(source)
        if status.st_nlink > 1:
            first = linked.setdefault((status.st_dev, status.st_ino), target)
            if first != target:
                os.link(first, target, follow_symlinks=False)
                return target
        return shutil.copy2(source, target, follow_symlinks=False)

    shutil.copytree(
        folder, to, symlinks=True, ignore=ignored, copy_function=copy, dirs_exist_ok=True
    )
    # The setup may have taken the permissions of the folder itself.
    to.chmod(stat.S_IRWXU)
    return left_out


def hash_tree(folder: Path, *, within: timedelta) -> str:
    """Return the hash of the paths, types, execute permissions and contents of all files."""
    states = read_tree(folder, within=within)
    return content_hash(
        repr(sorted((path, *astuple(one)[:3]) for path, one in states.items())).encode()
    )


def _leaves(folder: Path, path: Path) -> bool:
    """Return whether a path below a folder is a link that leaves the folder at any step.

    An absolute link leaves it. A chain that Linux does not follow to its end counts as well.
    """
    followed, at, names = 0, list(path.parent.parts), [path.name]
    while names:
        name = names.pop()
        place = folder.joinpath(*at, name)
        if name == "..":
            if not at:
                return True
            at.pop()
        # Unlike `Path.is_symlink`, it returns False for a path that is too long.
        elif not os.path.islink(place):  # noqa: PTH114
            at.append(name)
        else:
            target, followed = place.readlink(), followed + 1
            if target.is_absolute() or followed > _LONGEST_CHAIN:
                return True
            names += reversed(target.parts)
    return False


def _files(
    folder: Path, limit: _Limit, without: Collection[str] = (), *, whole: bool = False
) -> list[str]:
    """Return the paths of all files and links below a folder within a limit of their sizes."""
    found: list[str] = []
    left_out = {*without} if whole else {_GIT, *without}
    for at, folders, names in walk_paths(str(folder)):
        limit.count()
        folders[:] = [
            one for one in folders if os.path.relpath(Path(at, one), folder) not in left_out
        ]
        links = [name for name in folders if Path(at, name).is_symlink()]
        if whole:
            below = Path(os.path.relpath(at, folder))
            if len(below.parts) >= DEEPEST:
                raise FileUnusable(
                    f"the tree of the candidate has folders deeper than {DEEPEST - 1}"
                )
            found += [f"{below / one}/" for one in folders if one not in links]
        for name in (*names, *links):
            if (path := os.path.relpath(Path(at, name), folder)) not in left_out:
                limit.count(_size(folder / path))
                found.append(path)
    return found


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _can_be_copied(path: Path) -> bool:
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        return os.access(path, os.R_OK | os.X_OK)
    return stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and os.access(path, os.R_OK))
