"""Git objects and trees as values: writes loose objects, and lists the paths of a tree."""

import hashlib
import io
import os
import secrets
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import field
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Literal

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error, remove_abandoned_files, write_fully, write_whole

ObjectKind = Literal["blob", "tree", "commit"]

# The fastest compression: snapshots wait for it, and git repacks lasting objects.
_LEVEL = 1
_PIECE = 1 << 20
# With more files, one sync of the whole machine is faster than one sync for each.
_MANY = 256


class LooseObjects:
    """Writes objects into a git directory."""

    def __init__(self, folder: Path, object_format: str) -> None:
        self.folder = folder
        self._format = object_format
        self._known: set[bytes] = set()
        self._unsynced: list[Path] = []
        # The dimensions of a run take snapshots at the same time, in threads.
        self._noting, self._syncing = Lock(), Lock()

    def know(self, ids: Iterable[bytes]) -> None:
        """Record that objects exist, here or in the alternates."""
        self._known.update(ids)

    def write(self, kind: ObjectKind, content: bytes) -> bytes:
        """Store an object if this object is missing; return the object id."""
        whole = _whole(kind, content)
        name = _digest(whole, self._format)
        if not self._has(name):
            write_whole(self._place(name), zlib.compress(whole, _LEVEL), sync=False, mode=0o400)
            self._keep(name)
        return name

    def write_large(self, file: int, size: int) -> bytes | None:
        """Store an open file as a blob, in pieces; return None if its size is not `size`."""
        digest = hashlib.new(self._format, usedforsecurity=False)
        temporary = self.folder / f"tmp_obj_{secrets.token_hex(8)}"
        try:
            with io.FileIO(temporary, "xb", opener=_open_new) as target:
                read = _deflate(file, size, digest.update, target.fileno())
            if read != size:
                return None
            name = digest.digest()
            temporary.chmod(0o400)
            temporary.replace(self._place(name))
        except OSError as cause:
            raise file_error("write", temporary, cause) from cause
        finally:
            with suppress(OSError):  # already in place, or not written
                temporary.unlink()
        self._keep(name)
        return name

    def sync(self) -> None:
        """Sync everything written so far to disk, including objects of other processes."""
        with self._syncing:
            with self._noting:
                written = self._unsynced.copy()
            if len(written) > _MANY:
                os.sync()
            else:
                for path in [*written, *{file.parent for file in written}]:
                    _sync(path)
            with self._noting:
                del self._unsynced[: len(written)]

    def remove_abandoned_files(self) -> None:
        """Remove files of killed writers; no other process may be writing."""
        for unfinished in self.folder.glob("tmp_obj_*"):
            unfinished.unlink(missing_ok=True)
        for folder in self.folder.glob("[0-9a-f][0-9a-f]"):
            remove_abandoned_files(folder)

    def _has(self, name: bytes) -> bool:
        if name in self._known:
            return True
        try:
            # A power failure can leave an empty file.
            there = self._path(name).stat().st_size > 0
        except (FileNotFoundError, NotADirectoryError):
            return False
        if there:
            # Its writer may not have synced it yet.
            self._keep(name)
        return there

    def _keep(self, name: bytes) -> None:
        with self._noting:
            # In this order: a later user of the object syncs it too.
            self._unsynced.append(self._path(name))
            self._known.add(name)

    def _path(self, name: bytes) -> Path:
        written = name.hex()
        return self.folder / written[:2] / written[2:]

    def _place(self, name: bytes) -> Path:
        path = self._path(name)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as cause:
            raise file_error("create", path.parent, cause) from cause
        return path


def object_id(kind: ObjectKind, content: bytes, object_format: str) -> bytes:
    """Return the id of an object, without storing it."""
    return _digest(_whole(kind, content), object_format)


def _whole(kind: ObjectKind, content: bytes) -> bytes:
    return b"%s %d\0%s" % (kind.encode(), len(content), content)


def _digest(whole: bytes, object_format: str) -> bytes:
    return hashlib.new(object_format, whole, usedforsecurity=False).digest()


def _deflate(file: int, size: int, note: Callable[[bytes], None], target: int) -> int:
    """Compress a file as a blob into another file; return the number of bytes read."""
    compressor = zlib.compressobj(_LEVEL)
    header = b"blob %d\0" % size
    note(header)
    write_fully(target, compressor.compress(header))
    read = 0
    while piece := os.read(file, _PIECE):
        read += len(piece)
        note(piece)
        write_fully(target, compressor.compress(piece))
    write_fully(target, compressor.flush())
    return read


def _open_new(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as cause:
        raise file_error("sync", path, cause) from cause


FILE = 0o100644
PROGRAM = 0o100755
LINK = 0o120000
FOLDER = 0o040000
SUBMODULE = 0o160000


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """An entry of a tree: mode and object id."""

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
    """Store a folder as a tree object, with names, modes and ids; return its object id."""
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
        above = folder
        while above not in folders:
            folders[above] = []
            above = above.rpartition(b"/")[0]
        folders[folder].append((name, entry.mode, entry.id))
    # Deepest first: the content of a folder is written before the folder.
    for folder in sorted(folders.keys() - {b""}, key=lambda path: path.count(b"/"), reverse=True):
        parent, _, name = folder.rpartition(b"/")
        folders[parent].append((name, FOLDER, write_folder(objects, folders[folder])))
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


@dataclass(frozen=True)
class Materials:
    """Files of submodules, and contents of git LFS pointers.

    A tree contains the commit of a submodule and the pointer of a large file; the workspace folder
    contains the files themselves. `beside` are the files of the submodules in `folders`. `contents`
    maps a path to two ids: the id of the content in the tree, and the id of the content in the
    folder.
    """

    beside: FlatTree = field(default_factory=dict[bytes, TreeEntry])
    folders: Set[bytes] = frozenset()
    contents: Mapping[bytes, tuple[bytes, bytes]] = field(
        default_factory=dict[bytes, tuple[bytes, bytes]]
    )

    def added_to(self, files: FlatTree) -> FlatTree:
        """Return the files of a workspace folder, given the files of a whole tree."""
        return {**self.shown(files), **self.beside}

    def shown(self, files: FlatTree) -> FlatTree:
        """Return files of a tree with the contents that the workspace folder has."""
        if not self.contents:
            return files
        shown: dict[bytes, TreeEntry] = {}
        for path, entry in files.items():
            pointer, content = self.contents.get(path, (entry.id, entry.id))
            shown[path] = TreeEntry(entry.mode, content if entry.id == pointer else entry.id)
        return shown

    def tree_id(self, path: bytes, content: bytes) -> bytes:
        """Return the id in the tree for the id of a content in the workspace folder."""
        pointer, shown = self.contents.get(path, (content, content))
        return pointer if content == shown else content


NO_MATERIALS = Materials()


def materials_of(laid: FlatTree, candidate: FlatTree, submodules: Set[bytes]) -> Materials:
    """Return the materials of a workspace, given its added files, its tree and its submodules."""
    beside = {path: entry for path, entry in laid.items() if path not in candidate}
    ancestors = chain.from_iterable(map(folders_above, beside))
    folders = {
        folder
        for folder in ancestors
        if not submodules.isdisjoint((folder, *folders_above(folder)))
    }
    contents = {
        path: (candidate[path].id, entry.id) for path, entry in laid.items() if path in candidate
    }
    return Materials(beside, folders, contents)
