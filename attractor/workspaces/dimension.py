"""A dimension: a folder that stages change, and its snapshots in the run's one object store."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from attractor.base.atomic_files import file_trouble
from attractor.engine.seams import Base, TreeId
from attractor.environments.environment import ExecutionEnvironment
from attractor.workspaces import stat_cache
from attractor.workspaces.errors import FolderInUse
from attractor.workspaces.folder import remove_files, write_files
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.snapshot import Rules, Snapshot, take_snapshot
from attractor.workspaces.stat_cache import StatCache, seen, time_there
from attractor.workspaces.store import Store
from attractor.workspaces.trees import (
    LINK,
    SUBMODULE,
    Change,
    FlatTree,
    text_of,
)

MakeEnvironment = Callable[[Path], ExecutionEnvironment]
"""Makes the environment that works on a folder."""

OnSnapshot = Callable[[str, Snapshot], None]
"""Is told of each snapshot: its subject, and what it holds and leaves out."""


class Dimension:
    """A workspace of a run: a folder, an index and a ref over the run's one object store."""

    def __init__(
        self,
        *,
        folder: Path,
        store: Store,
        base: Base,
        left_out: Sequence[str],
        rules: Rules,
        environment: ExecutionEnvironment,
        on_snapshot: OnSnapshot,
    ) -> None:
        self.folder = folder
        self.store = store
        self.left_out = tuple(left_out)
        self._base = base
        self._rules = rules
        self._environment = environment
        self._on_snapshot = on_snapshot
        self._cache = stat_cache.load(store.cache_file)
        self._lock = asyncio.Lock()

    @property
    def base(self) -> Base:
        """What it was made from."""
        return self._base

    @property
    def environment(self) -> ExecutionEnvironment:
        """The environment of the stage in flight; the runner opens and closes it for each stage."""
        return self._environment

    async def snapshot(self, subject: str) -> TreeId:
        """Keep the folder as it is under its tree's id; the subject names the stage."""
        async with self._lock:
            taken = await self._take()
        self._on_snapshot(subject, taken)
        return taken.tree

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        """Make the folder a tree again; what differs goes into a patch when a place is given."""
        async with self._lock:
            left = (await self._take()).tree
            changes = await self.store.changes(left, tree)
            if changes and set_aside is not None:
                _make_folder(set_aside)
                await self.store.write_patch(tree, left, set_aside / f"left-{left[:12]}.patch")
            if changes:
                await self._apply(changes)

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        """Return the paths in which two trees differ."""
        return [text_of(change.path) for change in await self.store.changes(since, until)]

    async def export(self, tree: TreeId, to: Path) -> None:
        """Write a tree's files into a new or empty folder."""
        await export_tree(self.store, tree, to)

    async def close(self) -> None:
        """Write down what makes the next walk quick; the folder and the store stay."""
        async with self._lock:
            await in_thread(partial(stat_cache.save, self._cache, self.store.cache_file))

    async def _take(self) -> Snapshot:
        taken = await in_thread(self._walk)
        self._cache = taken.cache
        return taken

    def _walk(self) -> Snapshot:
        objects = self.store.objects
        now_ns = time_there(self.folder, self.store.folder)
        taken = take_snapshot(self.folder, objects, self._rules, cache=self._cache, now_ns=now_ns)
        # The journal will name this tree, and must not outlive it.
        objects.sync()
        self.store.point_at(taken.tree)
        return taken

    async def _apply(self, changes: Sequence[Change]) -> None:
        gone = [change.path for change in changes if change.after is None]
        put = {change.path: change.after for change in changes if change.after is not None}
        await in_thread(partial(remove_files, self.folder, gone))
        written = await write_out(self.store, put, self.folder)
        # What is gone does no harm in the cache: the next walk leaves it out.
        self._cache = {**self._cache, **written}


async def export_tree(store: Store, tree: TreeId, to: Path) -> None:
    """Write a tree's files into a new or empty folder."""
    _make_folder(to)
    if any(to.iterdir()):
        raise FolderInUse(f"{to} is not empty")
    await write_out(store, await store.files_of(tree), to)


async def write_out(store: Store, tree: FlatTree, folder: Path) -> StatCache:
    """Write files of a tree into a folder, and return what is then known of them."""
    files = [(path, entry) for path, entry in tree.items() if entry.mode != SUBMODULE]
    written = await store.with_blobs(
        [entry.id for _, entry in files], partial(write_files, folder, files)
    )
    now_ns = time_there(folder, store.folder)
    return {
        path: seen(written[path], now_ns, entry.id) for path, entry in files if entry.mode != LINK
    }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_trouble("create", folder, cause) from cause
