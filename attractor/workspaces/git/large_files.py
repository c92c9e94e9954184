"""Finds the contents of files that git LFS stores outside of trees."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.workspaces.files import in_thread
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import LooseObjects
from attractor.workspaces.git.trees import (
    FILE,
    PROGRAM,
    FlatTree,
    TreeChange,
    TreeEntry,
)
from attractor.workspaces.snapshot import LARGEST_FILE

_LARGEST_POINTER = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"(?:[a-z0-9.-]+ [^\n]*\n)*?oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)
_LINE = re.compile(rb'(?P<pattern>"(?:[^"\\]|\\.)*"|[^\s"]\S*)\s+(?P<attributes>.*)')
_SETS = re.compile(rb"(?:^|\s)([-!]?)filter(?:=(\S*))?(?=\s|$)")


@dataclass(frozen=True)
class LfsPointer:
    """The pointer of a large file in a tree."""

    oid: str
    size: int

    def within(self, folder: Path) -> Path:
        """Return the path of the content in a folder of git LFS objects."""
        return folder / self.oid[:2] / self.oid[2:4] / self.oid


@dataclass(frozen=True)
class LfsContents:
    """The contents of large files by path, and the paths of missing ones."""

    found: FlatTree
    missing: Sequence[bytes]


def read_pointer(content: bytes) -> LfsPointer | None:
    """Read a pointer; return None if the file is not a pointer."""
    if len(content) > _LARGEST_POINTER:
        return None
    told = _POINTER.match(content)
    return LfsPointer(told[1].decode(), int(told[2])) if told else None


async def find_large_files(store: ObjectStore, files: FlatTree, folder: Path) -> LfsContents:
    """Store the contents of the pointers among files; `folder` contains the objects of git LFS."""
    paths = await _paths_of_lfs(store, files)
    pointers = await store.with_blobs(
        [files[path].id for path in paths], lambda texts: list(map(read_pointer, texts))
    )
    found: dict[bytes, TreeEntry] = {}
    missing: list[bytes] = []
    for path, pointer in zip(paths, pointers, strict=True):
        if pointer is None:
            continue
        content = await in_thread(partial(_store, store.objects, pointer, folder))
        if content is None:
            missing.append(path)
        else:
            found[path] = TreeEntry(files[path].mode, content)
    return LfsContents(found, missing)


async def find_unchanged_pointers(store: ObjectStore, changes: Sequence[TreeChange]) -> FlatTree:
    """Return the pointers of files that only seem changed, because they contain their content."""
    pairs = [
        (one.path, one.before, one.after)
        for one in changes
        if one.before and one.after and {one.before.mode, one.after.mode} <= {FILE, PROGRAM}
    ]
    pointers = await store.with_blobs(
        [before.id for _, before, _ in pairs], lambda texts: list(map(read_pointer, texts))
    )
    both = [(*pair, told) for pair, told in zip(pairs, pointers, strict=True) if told is not None]
    shown = await store.with_blobs(
        [after.id for _, _, after, _ in both], lambda texts: list(map(_pointer_to, texts))
    )
    return {
        path: TreeEntry(after.mode, before.id)
        for (path, before, after, told), is_it in zip(both, shown, strict=True)
        if told == is_it
    }


def _pointer_to(content: bytes) -> LfsPointer:
    return LfsPointer(hashlib.sha256(content).hexdigest(), len(content))


async def _paths_of_lfs(store: ObjectStore, files: FlatTree) -> Sequence[bytes]:
    """Return the paths that use git LFS according to the attributes of a tree."""
    told = {
        path.removesuffix(b".gitattributes"): entry.id
        for path, entry in files.items()
        if path.rpartition(b"/")[2] == b".gitattributes" and entry.mode in (FILE, PROGRAM)
    }
    texts = await store.with_blobs(list(told.values()), list)
    patterns = {
        folder: b"\n".join(_patterns(text)) for folder, text in zip(told, texts, strict=True)
    }
    if not any(patterns.values()):
        return []
    rules = IgnoreRules(patterns)
    return [
        path
        for path, entry in files.items()
        if entry.mode in (FILE, PROGRAM) and rules.ignores(path, is_folder=False)
    ]


def _patterns(attributes: bytes) -> Iterator[bytes]:
    """Yield the patterns of an attributes file with a filter, as lines of an ignore file."""
    for line in attributes.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        told = _LINE.match(line.strip())
        if told is None or told["pattern"].startswith((b"#", b"!", b"[attr]")):
            continue
        for sign, value in _SETS.findall(told["attributes"]):
            unset = b"" if (sign, value) == (b"", b"lfs") else b"!"
            yield unset + _unquoted(told["pattern"])


def _unquoted(pattern: bytes) -> bytes:
    if not pattern.startswith(b'"'):
        return pattern
    return pattern[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\")


def _store(objects: LooseObjects, pointer: LfsPointer, folder: Path) -> bytes | None:
    """Store the content of a pointer; return None if it is missing or incomplete."""
    path = pointer.within(folder)
    if pointer.size > LARGEST_FILE:
        return None
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    try:
        return objects.write_large(file, pointer.size)
    finally:
        os.close(file)
