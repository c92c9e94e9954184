"""Overlap of works: the files that two of them changed, and the lines that would conflict.

A work is what a run or a dimension changed since its base. Works with different bases are compared
as if both were made on the base of the first one.
"""

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import (
    FILE,
    LINK,
    PROGRAM,
    TreeChange,
    TreeEntry,
    canonical_mode,
    text_of,
    write_tree,
)
from attractor.workspaces.merge import merge_trees


@dataclass(frozen=True)
class Work:
    """The files of a run or a dimension: a store with the trees of its base and of now."""

    name: str
    store: ObjectStore
    base: TreeId
    tree: TreeId


@dataclass(frozen=True)
class Overlap:
    """The files that another work changed too, and those of them whose lines would conflict."""

    other: str
    files: Sequence[str]
    conflicts: Sequence[str] = ()

    def __str__(self) -> str:
        """Describe the overlap for people."""
        words = f"{self.other}: {number_of(len(self.files), 'file')}"
        return f"{words}, {len(self.conflicts)} would conflict" if self.conflicts else words


def changed_by_both(
    first: Mapping[bytes, TreeChange], second: Mapping[bytes, TreeChange]
) -> Sequence[bytes]:
    """Return the paths that two works changed, and not in the same way."""
    return sorted(
        path
        for path in first.keys() & second.keys()
        if _without_mode(first[path].after) != _without_mode(second[path].after)
    )


def _without_mode(entry: TreeEntry | None) -> tuple[int, bytes] | None:
    return (canonical_mode(entry.mode), entry.id) if entry else None


async def find_overlaps(works: Sequence[Work]) -> Mapping[str, Sequence[Overlap]]:
    """Return the overlaps of each work with the others, by its name."""
    found: defaultdict[str, list[Overlap]] = defaultdict(list)
    changes = [
        {change.path: change for change in await work.store.changes(work.base, work.tree)}
        for work in works
    ]
    for first, second in combinations(range(len(works)), 2):
        if paths := changed_by_both(changes[first], changes[second]):
            pair = works[first], works[second]
            conflicts = await _conflicts(pair, (changes[first], changes[second]), paths)
            files = [text_of(path) for path in paths]
            found[pair[0].name].append(Overlap(pair[1].name, files, conflicts))
            found[pair[1].name].append(Overlap(pair[0].name, files, conflicts))
    return found


async def _conflicts(
    pair: tuple[Work, Work],
    changes: tuple[Mapping[bytes, TreeChange], Mapping[bytes, TreeChange]],
    paths: Sequence[bytes],
) -> Sequence[str]:
    """Merge the paths that two works changed, in a store for this, as a rebase merges them."""
    first, second = ([change[path] for path in paths] for change in changes)
    with tempfile.TemporaryDirectory() as folder:
        scratch = ObjectStore(
            Path(folder, "store"),
            object_format=pair[0].store.object_format,
            search_path=pair[0].store.git.search_path,
        )
        await scratch.create()
        before = [change.before for change in first]
        sides = (
            (pair[0].store, before),
            (pair[0].store, [change.after for change in first]),
            (pair[1].store, [change.after for change in second]),
        )
        trees: list[TreeId] = []
        for store, entries in sides:
            await _copy(entries, store, scratch)
            flat = {path: entry for path, entry in zip(paths, entries, strict=True) if entry}
            tree = await in_thread(partial(write_tree, scratch.objects, flat))
            trees.append(tree.hex())
        await in_thread(scratch.objects.sync)
        base, *sides_of_both = trees
        return (await merge_trees(scratch, sides_of_both, base=base)).conflicts


async def _copy(
    entries: Sequence[TreeEntry | None], out_of: ObjectStore, into: ObjectStore
) -> None:
    blobs = [
        entry.id
        for entry in entries
        if entry and canonical_mode(entry.mode) in (FILE, PROGRAM, LINK)
    ]
    for content in await out_of.with_blobs(blobs, list):
        into.objects.write("blob", content)
