"""Git trees as values: a tree as one table of paths."""

import stat
from collections.abc import Iterable, Iterator, Mapping

from attractor.base.dataclasses import dataclass
from attractor.workspaces.git.objects import LooseObjects

FILE = 0o100644
PROGRAM = 0o100755
LINK = 0o120000
FOLDER = 0o040000
SUBMODULE = 0o160000


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """An entry of a tree: its mode and object id."""

    mode: int
    id: bytes


FlatTree = Mapping[bytes, TreeEntry]
"""The files of a tree by path; folders follow from the paths."""


@dataclass(frozen=True, slots=True)
class TreeChange:
    """A path that differs between two trees; a missing entry is None."""

    path: bytes
    before: TreeEntry | None
    after: TreeEntry | None


def canonical_mode(mode: int) -> int:
    """Return the mode that snapshots use for a file; old trees contain other modes."""
    if stat.S_ISREG(mode):
        return PROGRAM if mode & 0o100 else FILE
    return mode


def write_folder(objects: LooseObjects, entries: Iterable[tuple[bytes, int, bytes]]) -> bytes:
    """Store a folder with its names, modes and ids; return its id."""
    # Git sorts a folder as if its name ended with a slash.
    by_name = sorted(
        (name + b"/" if mode == FOLDER else name, b"%o %s\0%s" % (mode, name, object_id))
        for name, mode, object_id in entries
    )
    return objects.write("tree", b"".join([line for _, line in by_name]))


def write_tree(objects: LooseObjects, tree: FlatTree) -> bytes:
    """Store a tree and return its id."""
    folders: dict[bytes, list[tuple[bytes, int, bytes]]] = {b"": []}
    for path, entry in tree.items():
        folder, _, name = path.rpartition(b"/")
        _make_folders(folders, folder)
        folders[folder].append((name, entry.mode, entry.id))
    # Deepest first: the content of a folder is written before the folder.
    for folder in sorted(folders.keys() - {b""}, key=lambda path: path.count(b"/"), reverse=True):
        above, _, name = folder.rpartition(b"/")
        folders[above].append((name, FOLDER, write_folder(objects, folders[folder])))
    return write_folder(objects, folders[b""])


def folders_above(path: bytes) -> Iterator[bytes]:
    """Yield the parent folders of a path, nearest first, without the top."""
    end = path.rfind(b"/")
    while end > 0:
        yield path[:end]
        end = path.rfind(b"/", 0, end)


def text_of(path: bytes) -> str:
    """Return a path as text, with escapes for invalid UTF-8."""
    return path.decode("utf-8", "backslashreplace")


def _make_folders(folders: dict[bytes, list[tuple[bytes, int, bytes]]], folder: bytes) -> None:
    while folder not in folders:
        folders[folder] = []
        folder = folder.rpartition(b"/")[0]
