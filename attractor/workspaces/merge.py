"""Puts trees together that come from one base: path by path, then line by line within a file."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error, write_whole
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.files import in_thread
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.trees import (
    FILE,
    PROGRAM,
    Change,
    FlatTree,
    TreeEntry,
    canonical_mode,
    folders_above,
    text_of,
    write_tree,
)

# As git does: a file with a zero byte near its beginning has no lines.
_LOOKED_AT = 8000


@dataclass(frozen=True)
class Merged:
    """What trees came to together; with conflicts there is no tree."""

    tree: TreeId
    conflicts: Sequence[str] = ()


async def merge_trees(store: Store, trees: Sequence[TreeId], *, base: TreeId) -> Merged:
    """Return all that some trees changed of a base, in one tree; the first of several goes first.

    A file that was renamed counts as removed under one name and new under the other.
    """
    changed = [tree for tree in dict.fromkeys(trees) if tree != base]
    if len(changed) < 2:
        return Merged(changed[0] if changed else base)
    merge = _Merge(store)
    for tree in changed:
        for change in await store.changes(base, tree):
            await merge.take(change)
    files = merge.laid_over(await store.files_of(base))
    if conflicts := sorted({*merge.conflicts, *_files_that_are_folders(files, merge.changed)}):
        return Merged("", [text_of(path) for path in conflicts])
    whole = await in_thread(partial(write_tree, store.objects, files))
    await in_thread(store.objects.sync)
    return Merged(whole.hex())


class _Merge:
    """What was changed so far, and where two changes do not go together."""

    def __init__(self, store: Store) -> None:
        self.changed: dict[bytes, TreeEntry | None] = {}
        self.conflicts: set[bytes] = set()
        self._store = store

    async def take(self, change: Change) -> None:
        """Add what one tree changed at a path."""
        path, after = change.path, change.after
        if self.changed.setdefault(path, after) == after:
            return
        together = await self._put_together(change.before, self.changed[path], after)
        if together is None:
            self.conflicts.add(path)
        else:
            self.changed[path] = together

    def laid_over(self, base: FlatTree) -> FlatTree:
        """Return a tree with what was changed."""
        files = {**base, **self.changed}
        return {path: entry for path, entry in files.items() if entry is not None}

    async def _put_together(
        self, base: TreeEntry | None, one: TreeEntry | None, other: TreeEntry | None
    ) -> TreeEntry | None:
        """Return what two changes of a file come to; None when they contradict each other."""
        if one is None or other is None or not (_has_lines(one) and _has_lines(other)):
            return None
        if base is None and one.mode == other.mode:
            # Both are new: as git does, what is there already is nothing.
            base = TreeEntry(one.mode, self._store.objects.write("blob", b""))
        if base is None or not _has_lines(base):
            return None
        mode = other.mode if one.mode == canonical_mode(base.mode) else one.mode
        if one.id in (base.id, other.id):
            return TreeEntry(mode, other.id)
        if other.id == base.id:
            return TreeEntry(mode, one.id)
        content = await self._merge_lines([one.id, base.id, other.id])
        return None if content is None else TreeEntry(mode, content)

    async def _merge_lines(self, ids: Sequence[bytes]) -> bytes | None:
        """Merge the lines of three versions, the base in the middle; None when they clash."""
        with self._store.empty_folder() as folder:
            files = [folder / name for name in ("one", "base", "other")]
            if not await self._store.with_blobs(ids, partial(_write_lines, files)):
                return None
            told = await self._store.git.answer("merge-file", "-q", *map(str, files))
            if told.timed_out or not 0 <= told.exit_code < 128:
                raise GitFailed(f"git merge-file in {folder} failed: {told.stderr.strip()}")
            if told.exit_code > 0:  # so many conflicts
                return None
            return await in_thread(partial(_keep_file, self._store, files[0]))


def _has_lines(entry: TreeEntry) -> bool:
    return canonical_mode(entry.mode) in (FILE, PROGRAM)


def _write_lines(files: Sequence[Path], contents: Iterator[bytes]) -> bool:
    """Write versions of a file down; say whether all of them have lines."""
    for file, content in zip(files, contents, strict=True):
        if b"\0" in content[:_LOOKED_AT]:
            return False
        write_whole(file, content, sync=False)
    return True


def _keep_file(store: Store, file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    return store.objects.write("blob", content)


def _files_that_are_folders(
    files: FlatTree, changed: dict[bytes, TreeEntry | None]
) -> Iterator[bytes]:
    """Yield the files of one tree that stand where another one has a folder."""
    for path, entry in changed.items():
        if entry is not None:
            yield from (above for above in folders_above(path) if above in files)
