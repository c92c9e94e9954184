"""Merges trees with one base: path by path, then line by line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error, write_whole
from attractor.base.patterns import late_pattern
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import (
    FILE,
    PROGRAM,
    FlatTree,
    TreeChange,
    TreeEntry,
    canonical_mode,
    folders_above,
    text_of,
    write_tree,
)

# As in git: a file with a zero byte near its beginning is binary.
_BINARY_CHECK = 8000

_HUNK = late_pattern(r"^<{7} (?:(?!^<{7} ).)*?^>{7} [^\n]*$", re.M | re.S)


@dataclass(frozen=True)
class MergeResult:
    """The merged tree; if there are conflicts, the tree is empty.

    `lines` are the lines in conflict by path, between the markers of Git, where both are texts.
    """

    tree: TreeId
    conflicts: Sequence[str] = ()
    lines: Mapping[str, str] = field(default_factory=dict[str, str])


async def merge_trees(store: ObjectStore, trees: Sequence[TreeId], *, base: TreeId) -> MergeResult:
    """Merge the changes of trees since a common base, in order.

    A renamed file counts as removed and added.
    """
    changed = [tree for tree in dict.fromkeys(trees) if tree != base]
    if len(changed) < 2:
        return MergeResult(changed[0] if changed else base)
    merge = _Merge(store)
    for tree in changed:
        for change in await store.changes(base, tree):
            await merge.add(change)
    files = merge.applied_to(await store.files_of(base))
    conflicts = set(merge.conflicts)
    for path, entry in merge.changed.items():
        if entry is not None:
            # A folder of one tree may be a file in another.
            conflicts |= {parent for parent in folders_above(path) if parent in files}
    if conflicts:
        lines = {text_of(path): words for path, words in merge.lines.items()}
        return MergeResult("", [text_of(path) for path in sorted(conflicts)], lines)
    whole = await in_thread(partial(write_tree, store.objects, files))
    await in_thread(store.objects.sync)
    return MergeResult(whole.hex())


class _Merge:
    """The merged changes so far, and the conflicts."""

    def __init__(self, store: ObjectStore) -> None:
        self.changed: dict[bytes, TreeEntry | None] = {}
        self.conflicts: set[bytes] = set()
        self.lines: dict[bytes, str] = {}
        self._store = store

    async def add(self, change: TreeChange) -> None:
        """Add the change of one tree at a path."""
        path, after = change.path, change.after
        if self.changed.setdefault(path, after) == after:
            return
        merged = await self._merge_entries(path, change.before, self.changed[path], after)
        if merged is None:
            self.conflicts.add(path)
        else:
            self.changed[path] = merged

    def applied_to(self, base: FlatTree) -> FlatTree:
        """Return a tree with the changes."""
        files = {**base, **self.changed}
        return {path: entry for path, entry in files.items() if entry is not None}

    async def _merge_entries(
        self,
        path: bytes,
        base: TreeEntry | None,
        ours: TreeEntry | None,
        theirs: TreeEntry | None,
    ) -> TreeEntry | None:
        """Merge two changes of a file; return None for a conflict."""
        if ours is None or theirs is None or not (_has_lines(ours) and _has_lines(theirs)):
            return None
        if base is None and ours.mode == theirs.mode:
            # Both are new: as in git, their base is an empty file.
            base = TreeEntry(ours.mode, self._store.objects.write("blob", b""))
        if base is None or not _has_lines(base):
            return None
        mode = theirs.mode if ours.mode == canonical_mode(base.mode) else ours.mode
        if ours.id in (base.id, theirs.id):
            return TreeEntry(mode, theirs.id)
        if theirs.id == base.id:
            return TreeEntry(mode, ours.id)
        content = await self._merge_lines(path, [ours.id, base.id, theirs.id])
        return None if content is None else TreeEntry(mode, content)

    async def _merge_lines(self, path: bytes, ids: Sequence[bytes]) -> bytes | None:
        """Merge the lines of three versions, the base in the middle; return None for a conflict."""
        with self._store.empty_folder() as folder:
            files = [folder / name for name in ("one", "base", "other")]
            if not await self._store.with_blobs(ids, partial(_write_lines, files)):
                return None
            labels = [word for name in ("ours", "base", "theirs") for word in ("-L", name)]
            result = await self._store.git.answer("merge-file", "-q", *labels, *map(str, files))
            if result.timed_out or not 0 <= result.exit_code < 128:
                raise GitFailed(f"git merge-file in {folder} failed: {result.stderr.strip()}")
            if result.exit_code > 0:  # the number of conflicts
                text = (await in_thread(files[0].read_bytes)).decode("utf-8", "replace")
                self.lines[path] = "\n".join(_HUNK.findall(text))
                return None
            return await in_thread(partial(_store_file, self._store, files[0]))


def _has_lines(entry: TreeEntry) -> bool:
    return canonical_mode(entry.mode) in (FILE, PROGRAM)


def _write_lines(files: Sequence[Path], contents: Iterator[bytes]) -> bool:
    """Write versions of a file; return whether all of them are text."""
    for file, content in zip(files, contents, strict=True):
        if b"\0" in content[:_BINARY_CHECK]:
            return False
        write_whole(file, content, sync=False)
    return True


def _store_file(store: ObjectStore, file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    return store.objects.write("blob", content)
