"""The tree of a candidate in a trial: the files that changed, and copies for verifiers.

Agents control the names, types and permissions of the files, so links are not followed, and special
files are not opened. A copy has no link that leaves the tree: it could lead a verifier to its own
files. The `.git` of the tree is the candidate's own, and is left out.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import DEEPEST, walk_paths
from attractor.environments.errors import FileUnusable

MOST_BYTES = 4 << 30
"""The maximum size of a tree that is copied; a sparse file takes its whole size in a copy."""

_GIT = ".git"
_LONGEST_CHAIN = 40
"""The maximum number of links that Linux follows in a path."""


@dataclass(frozen=True)
class FileState:
    """The type, execute permission and content of a file; the content of a link is its target."""

    kind: int
    is_executable: bool
    content: str


def read_tree(folder: Path) -> Mapping[str, FileState]:
    """Return the state of every file below a folder, by relative path."""
    states: dict[str, FileState] = {}
    for path in _files(folder):
        # A service that still runs may have removed it meanwhile.
        with suppress(FileNotFoundError):
            file = folder / path
            status = file.lstat()
            kind = stat.S_IFMT(status.st_mode)
            content = ""
            if stat.S_ISLNK(status.st_mode):
                content = str(file.readlink())
            elif stat.S_ISREG(status.st_mode):
                try:
                    with file.open("rb") as content_file:
                        content = hashlib.file_digest(content_file, "sha256").hexdigest()
                except PermissionError:
                    content = "unreadable"
            states[path] = FileState(kind, bool(status.st_mode & stat.S_IXUSR), content)
    return states


def changed_paths(before: Mapping[str, FileState], after: Mapping[str, FileState]) -> Sequence[str]:
    """Return the paths of created, removed and changed files, sorted."""
    paths = before.keys() | after.keys()
    return sorted(path for path in paths if before.get(path) != after.get(path))


def copy_tree(folder: Path, to: Path, *, without: Collection[str] = ()) -> int:
    """Copy a tree; return the number of links that were left out because they leave the tree.

    Special files and unreadable parts are left out too, and so are the paths `without`. A very
    large tree is refused.
    """
    size = sum(_size(folder / path) for path in _files(folder, without))
    if size > MOST_BYTES:
        raise FileUnusable(f"the tree of the candidate is larger than {MOST_BYTES >> 30} GiB")

    leaving: list[Path] = []

    def left_out(inner: str, names: Sequence[str]) -> set[str]:
        below = Path(inner).relative_to(folder)
        if len(below.parts) >= DEEPEST:
            return set(names)
        excluded = {name for name in names if str(below / name) in without}
        links = [name for name in names if name not in excluded and _leaves(folder, below / name)]
        leaving.extend(below / name for name in links if below / name != Path(_GIT))
        return {
            *excluded,
            *links,
            *([_GIT] if below == Path() else []),
            *(name for name in names if not _can_be_copied(Path(inner, name))),
        }

    shutil.copytree(folder, to, symlinks=True, ignore=left_out)
    return len(leaving)


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


def _files(folder: Path, without: Collection[str] = ()) -> Iterator[str]:
    left_out = {_GIT, *without}
    for at, folders, names in walk_paths(str(folder)):
        folders[:] = [
            one for one in folders if os.path.relpath(Path(at, one), folder) not in left_out
        ]
        links = [name for name in folders if Path(at, name).is_symlink()]
        for name in (*names, *links):
            if (path := os.path.relpath(Path(at, name), folder)) not in left_out:
                yield path


def _size(path: Path) -> int:
    status = path.lstat()
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _can_be_copied(path: Path) -> bool:
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        return os.access(path, os.R_OK | os.X_OK)
    return stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and os.access(path, os.R_OK))
