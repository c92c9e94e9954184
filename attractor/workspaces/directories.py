"""Folders outside of Git in which several runs work: made, compared, kept and removed."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused
from attractor.base.files import make_private_folder, remove_tree
from attractor.workspaces.create.from_folder import read_copy_rules, take_first_snapshot
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import ObjectStore, share_objects
from attractor.workspaces.snapshot import write_out

_REMOVED = "removed"
_BASE, _KEPT = "refs/attractor/base", "refs/attractor/kept"


@dataclass(frozen=True, kw_only=True)
class PlainDirectory:
    """A copy of a project outside of Git; the store `records`/`name`.git has its first files.

    `excluded` are patterns of files that are not compared.
    """

    folder: Path
    records: Path
    name: str
    search_path: str
    excluded: Sequence[str]

    async def make(
        self, folder: Path, excluded: Sequence[str], like: "PlainDirectory | None" = None
    ) -> None:
        """Copy the current files of a folder, and store them as the base, or the base of `like`."""
        store = self._store
        await store.create()
        base = tree = await _tree_of(store, folder, excluded)
        if like and like._store.folder.is_dir():
            base = await like._store.git.run("rev-parse", f"{_BASE}^{{tree}}")
            await share_objects(like._store, store, tree=base)
        await _keep_tree(store, _BASE, base)
        self.folder.mkdir(parents=True)
        await write_out(store, await store.files_of(tree), self.folder)

    async def remove(self) -> None:
        """Remove the folder and the store."""
        for folder in (self.folder, self._store.folder):
            if folder.exists():
                await in_thread(partial(remove_tree, folder))
        with suppress(OSError):
            self.folder.parent.rmdir()

    @asynccontextmanager
    async def compared(self) -> AsyncGenerator[tuple[ObjectStore, str, str]]:
        """Yield the store with the tree of the base, and with the current tree."""
        store = self._store
        if not store.folder.is_dir():
            raise Refused("Attractor did not make this folder, so no base is known")
        base = await store.git.run("rev-parse", f"{_BASE}^{{tree}}")
        yield store, base, await _tree_of(store, self.folder, self.excluded)

    async def loss(self) -> str:
        """Return what would be lost if the folder was removed, or ""."""
        async with self.compared() as (store, since, until):
            changed = len(await store.changes(since, until))
        return f"{changed} files were changed" if changed else ""

    async def keep(self, name: str, seconds: float) -> str:
        """Keep the current files in a store beside the records at a time; return ref and place."""
        store = self._store
        await _keep_tree(store, _KEPT, await _tree_of(store, self.folder, self.excluded))
        place = self.records / _REMOVED / f"{name}-{seconds:.6f}.git"
        make_private_folder(place.parent)
        store.folder.rename(place)
        return f"{_KEPT} in {place}"

    @property
    def _store(self) -> ObjectStore:
        return ObjectStore(
            self.records / f"{self.name}.git", object_format="sha1", search_path=self.search_path
        )


async def remove_old_stores(records: Path, oldest: float) -> None:
    """Remove the stores of folders that were removed before a time."""
    for place in (records / _REMOVED).glob("*.git"):
        if float(place.stem.rpartition("-")[2]) < oldest:
            await in_thread(partial(remove_tree, place))


async def _tree_of(store: ObjectStore, folder: Path, excluded: Sequence[str]) -> str:
    """Store the files of a folder outside of Git, without ignored files; return their tree."""
    rules = await read_copy_rules(folder, excluded)
    return (await in_thread(partial(take_first_snapshot, folder, store, rules))).tree


async def _keep_tree(store: ObjectStore, ref: str, tree: str) -> None:
    commit = await store.git.run("commit-tree", "-m", "Files of a dimension", tree)
    await store.git.run("update-ref", ref, commit)
