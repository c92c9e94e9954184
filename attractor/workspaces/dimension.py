"""A dimension: a folder that stages change, and its snapshots in the run's one object store."""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.engine.seams import PATCH_LIMIT, Base
from attractor.engine.stage.patch import clean_line
from attractor.engine.state.identifiers import TreeId
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import ExecutionEnvironment
from attractor.workspaces.dimension_index import MAIN, Index, discard_fork, fill_fork, find_fork
from attractor.workspaces.export import export_tree, make_folder, write_out
from attractor.workspaces.files import in_thread, remove_files
from attractor.workspaces.folders import make_place, new_folder
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.trees import Change, text_of
from attractor.workspaces.merge import merge_trees
from attractor.workspaces.setup.cache import Setups
from attractor.workspaces.setup.preparation import (
    NO_PREPARATION,
    OnSetup,
    Preparation,
    Prepared,
)
from attractor.workspaces.setup.run_setup import Site, Source, make_fit
from attractor.workspaces.snapshot import Rules, Snapshot, take_snapshot
from attractor.workspaces.stat_cache import time_there

MakeEnvironment = Callable[[Path], ExecutionEnvironment]
"""Makes an environment that works on a folder."""

OnSnapshot = Callable[[str, Snapshot], None]
"""Is told of each snapshot: its subject, and what it holds and leaves out."""


@dataclass(frozen=True)
class SetAside:
    """What is about to leave a folder: the paths, and the patch that has it all, for reading.

    The patch can be applied unless secrets had to be replaced in it. What leads from one tree to
    the other has them still.
    """

    paths: Sequence[str]
    patch: Path
    can_be_applied: bool
    store: Path
    since: TreeId
    until: TreeId


OnSetAside = Callable[[SetAside], None]
"""Is told of what is about to leave a folder."""

PREPARED = "prepared"
"""The subject of the snapshot before the first stage."""


@dataclass(frozen=True)
class Ground:
    """What all dimensions of a run stand on; `state` is the state folder it lies in."""

    state: Path
    store: Store
    base: Base
    left_out: tuple[str, ...]
    rules: Rules
    environment: MakeEnvironment
    on_snapshot: OnSnapshot
    redactor: Redactor = field(default_factory=Redactor)
    on_set_aside: OnSetAside = do_nothing


class Dimension:
    """A workspace of a run: a folder, an index and a ref over the run's one object store."""

    def __init__(
        self,
        folder: Path,
        ground: Ground,
        *,
        name: str = MAIN,
        wanted: Preparation = NO_PREPARATION,
        on_setup: OnSetup = do_nothing,
    ) -> None:
        self.folder = folder
        self._ground = ground
        self._index = Index(ground.store.folder, name)
        self._environment = ground.environment(folder)
        self._wanted = wanted
        self._on_setup = on_setup
        self._cache = self._index.known()
        self._lock = asyncio.Lock()

    @property
    def store(self) -> Store:
        """The run's one object store."""
        return self._ground.store

    @property
    def left_out(self) -> tuple[str, ...]:
        """What agents do not get of the project, in the words of a `.gitignore`."""
        return self._ground.left_out

    @property
    def base(self) -> Base:
        """What the run was made from."""
        return self._ground.base

    @property
    def environment(self) -> ExecutionEnvironment:
        """The environment of the stage in flight; the runner opens and closes it for each stage."""
        return self._environment

    async def snapshot(self, subject: str) -> TreeId:
        """Keep the folder as it is under its tree's id; the subject names the stage."""
        async with self._lock:
            taken = await self._take()
        self._ground.on_snapshot(subject, taken)
        return taken.tree

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        """Make the folder a tree again; what differs goes into a patch when a place is given."""
        async with self._lock:
            left = (await self._take()).tree
            changes = await self.store.changes(left, tree)
            if changes and set_aside is not None:
                make_folder(set_aside)
                clean = partial(clean_line, redactor=self._ground.redactor)
                patch = set_aside / f"left-{left[:12]}.patch"
                is_clean = await self.store.write_patch(tree, left, patch, clean=clean)
                paths = [text_of(change.path) for change in changes]
                aside = SetAside(paths, patch, is_clean, self.store.folder, tree, left)
                self._ground.on_set_aside(aside)
            if changes:
                await self._apply(changes)

    def leave_out(self, redactor: Redactor) -> None:
        """Keep secrets out of the patches that are set aside from here on, in forks as well."""
        self._ground = replace(self._ground, redactor=redactor)

    def tell_set_aside(self, hear: OnSetAside) -> None:
        """Have somebody told of what is set aside from here on, in forks as well."""
        self._ground = replace(self._ground, on_set_aside=hear)

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        """Return the paths in which two trees differ."""
        return [text_of(change.path) for change in await self.store.changes(since, until)]

    async def patch(self, since: TreeId, until: TreeId, *, most: int = PATCH_LIMIT) -> str:
        """Return what leads from one tree to another, for people; one that is too long is cut."""
        return await self.store.patch(since, until, most=most)

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        """Return the first bytes of what leads from one tree to another, as `git apply` takes it.

        Unless binary, of files that are no text it says only that they differ.
        """
        return await self.store.diff(since, until, most=most, binary=binary)

    async def export(self, tree: TreeId, to: Path) -> None:
        """Write a tree's files into a new or empty folder."""
        await export_tree(self.store, tree, to, self._ground.rules.materials)

    async def prepare(
        self,
        wanted: Preparation,
        *,
        project: Path,
        environment: MakeEnvironment | None = None,
        on_setup: OnSetup = do_nothing,
    ) -> Prepared:
        """Make the folder fit to work in, once, and every fork to come likewise.

        What is carried comes from the project; where that is the folder itself, it is fit. The
        setup runs in the environment, on the base, and what it makes is kept for other runs.
        """
        self._wanted, self._on_setup = wanted, on_setup
        if self.folder.resolve() == project.resolve():
            return Prepared()
        place = (environment or self._ground.environment)(self.folder)
        site = replace(
            self._site(self.base.candidate), environment=place, setups=Setups(self._ground.state)
        )
        is_new = self._index.readiness() is None
        prepared = await make_fit(site, wanted, Source(project), base=self.base.candidate)
        if is_new:
            # Whoever hears of snapshots hears what lies there before the first stage.
            await self.snapshot(PREPARED)
        return prepared

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "Dimension":
        """Return the dimension of the run with a name, as it was left; a new one holds a tree.

        A shared one works in this very folder, with an environment of its own.
        """
        if shared:
            twin = copy(self)
            twin._environment = self._ground.environment(self.folder)
            return twin
        index = Index(self.store.folder, name)
        known = find_fork(index)
        if known is not None:
            return self._dimension(known, name)
        with new_folder(make_place(self._ground.state)) as folder:
            materials = self._ground.rules.materials
            await fill_fork(self.store, index, folder, tree=tree, materials=materials)
            fork = self._dimension(folder, name)
            source = Source(self.folder, self._index.readiness())
            await make_fit(fork._site(tree), self._wanted, source, base=self.base.candidate)
            # Last of all: a fork that is not in the records is made anew.
            index.keep_folder(folder)
        return fork

    async def discard(self, name: str) -> None:
        """Remove the folder of a fork that nobody works in any more; its trees stay."""
        await discard_fork(Index(self.store.folder, name))

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        """Make the folder one tree, or several put together that come from one base.

        Returns the paths that could not be put together; then nothing is changed.
        """
        if not trees:
            return ()
        merged = await merge_trees(self.store, trees, base=base)
        if not merged.conflicts:
            await self.restore(merged.tree)
        return merged.conflicts

    async def close(self) -> None:
        """Write down what makes the next walk quick; the folder and the store stay."""
        async with self._lock:
            await in_thread(partial(self._index.know, self._cache))

    def _dimension(self, folder: Path, name: str) -> "Dimension":
        return Dimension(
            folder, self._ground, name=name, wanted=self._wanted, on_setup=self._on_setup
        )

    def _site(self, tree: TreeId) -> Site:
        """Return this folder as one that is to be made fit, and that holds a tree meanwhile."""
        return Site(
            self.folder,
            tree,
            self.store,
            self._index,
            self._ground.rules,
            self._environment,
            self._take,
            self.restore,
            tell=self._on_setup,
        )

    async def _take(self) -> Snapshot:
        taken = await in_thread(self._walk)
        self._cache = taken.cache
        return replace(taken, dimension=self._index.name)

    def _walk(self) -> Snapshot:
        ground, objects = self._ground, self.store.objects
        now_ns = time_there(self.folder, self.store.folder)
        taken = take_snapshot(self.folder, objects, ground.rules, cache=self._cache, now_ns=now_ns)
        # The journal will name this tree, and must not outlive it.
        objects.sync()
        self._index.point_at(taken.tree)
        return taken

    async def _apply(self, changes: Sequence[Change]) -> None:
        gone = [change.path for change in changes if change.after is None]
        put = {change.path: change.after for change in changes if change.after is not None}
        await in_thread(partial(remove_files, self.folder, gone))
        shown = self._ground.rules.materials.shown(put)
        written = await write_out(self.store, shown, self.folder)
        # What is gone does no harm in the cache: the next walk leaves it out.
        self._cache = {**self._cache, **written}
