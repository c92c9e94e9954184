"""A workspace folder of a run; its snapshots are in the object store of the run."""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.engine.seams import PATCH_LIMIT, Base
from attractor.engine.stage.patch import clean_patch
from attractor.engine.state.attempts import TreeId
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import ExecutionEnvironment
from attractor.workspaces.caches import cache_folder
from attractor.workspaces.folders import make_workspaces_folder, new_folder
from attractor.workspaces.git.files import in_thread, remove_files
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import TreeChange, text_of
from attractor.workspaces.merge import merge_trees
from attractor.workspaces.placed_environment import PlacedEnvironment
from attractor.workspaces.preparation import NO_PREPARATION, OnSetup, Preparation, PreparationResult
from attractor.workspaces.run_store import (
    MAIN,
    FolderIndex,
    add_agent_repository,
    discard_fork,
    fill_fork,
    find_fork,
)
from attractor.workspaces.setup.build_folders import copy_build_folders
from attractor.workspaces.setup.cache import SetupCache
from attractor.workspaces.setup.run_setup import (
    PreparationSource,
    PreparationTarget,
    prepare_folder,
)
from attractor.workspaces.snapshot import (
    NO_FILES,
    Snapshot,
    SnapshotRules,
    export_tree,
    filesystem_time,
    make_folder,
    take_snapshot,
    write_out,
)

EnvironmentFactory = Callable[[Path], ExecutionEnvironment]
"""Creates the environment of a folder."""

OnSnapshot = Callable[[str, Snapshot], None]
"""Callback for each snapshot, with the subject of the snapshot."""


@dataclass(frozen=True)
class SetAside:
    """Changes that a restore is about to remove: the changed paths, and a patch.

    If secrets were redacted, the patch cannot be applied; the two trees still contain the secrets.
    """

    paths: Sequence[str]
    patch: Path
    can_be_applied: bool
    store: Path
    since: TreeId
    until: TreeId


OnSetAside = Callable[[SetAside], None]
"""Callback for changes that are set aside."""

PREPARED = "prepared"
"""The subject of the snapshot before the first stage."""


@dataclass(frozen=True)
class FolderContext:
    """Values shared by all dimensions of a run; `state` is the state folder.

    Without `sets_back`, the folder of the run is a person's; branches have copies.
    """

    state: Path
    store: ObjectStore
    base: Base
    excluded: tuple[str, ...]
    rules: SnapshotRules
    environment: EnvironmentFactory
    on_snapshot: OnSnapshot
    redactor: Redactor = field(default_factory=Redactor)
    on_set_aside: OnSetAside = do_nothing
    tell: Callable[[str], None] = do_nothing
    sets_back: bool = True


class TrackedFolder:
    """A workspace folder of a run, with an index and a ref in the run's object store."""

    def __init__(
        self,
        folder: Path,
        context: FolderContext,
        *,
        name: str = MAIN,
        wanted: Preparation = NO_PREPARATION,
        on_setup: OnSetup = do_nothing,
    ) -> None:
        self.folder = folder
        self._context = context
        self._index = FolderIndex(context.store.folder, name)
        self._environment = self._make_environment()
        self._wanted = wanted
        self._on_setup = on_setup
        self._cache = self._index.stat_cache()
        self._lock = asyncio.Lock()
        self._is_twin = False

    @property
    def store(self) -> ObjectStore:
        """The object store of the run."""
        return self._context.store

    @property
    def excluded(self) -> tuple[str, ...]:
        """Patterns (as in `.gitignore`) of project files that workspaces do not contain."""
        return self._context.excluded

    @property
    def base(self) -> Base:
        """The base of the run."""
        return self._context.base

    @property
    def sets_back(self) -> bool:
        """Whether a resume and a retry restore the folder."""
        return self._context.sets_back or self._index.name != MAIN

    @property
    def environment(self) -> ExecutionEnvironment:
        """The environment of the current stage; the runner opens and closes it for each stage."""
        return self._environment

    async def snapshot(self, subject: str) -> TreeId:
        """Store the content of the folder, and return its tree; `subject` names the stage."""
        if isinstance(self._environment, PlacedEnvironment):
            await self._environment.bring_back()
        async with self._lock:
            taken = await self._take()
        self._context.on_snapshot(subject, taken)
        return taken.tree

    async def fill(self, tree: TreeId) -> None:
        """Write a tree into the empty folder, with a repository for agents."""
        context = self._context
        await fill_fork(
            self.store,
            self._index,
            self.folder,
            tree=tree,
            materials=context.rules.materials,
            parent=NO_FILES,
        )
        self._cache = self._index.stat_cache()

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        """Restore a tree in the folder; write removed changes to a patch in `set_aside`."""
        async with self._lock:
            left = (await self._take()).tree
            changes = await self.store.changes(left, tree)
            if changes and set_aside is not None:
                make_folder(set_aside)
                clean = partial(clean_patch, redactor=self._context.redactor)
                patch = set_aside / f"left-{left[:12]}.patch"
                is_clean = await self.store.write_patch(tree, left, patch, clean=clean)
                paths = [text_of(change.path) for change in changes]
                aside = SetAside(paths, patch, is_clean, self.store.folder, tree, left)
                self._context.on_set_aside(aside)
            if changes:
                await self._apply(changes)

    def redact_patches(self, redactor: Redactor) -> None:
        """Redact secrets in patches of set-aside changes from now on, also in new forks."""
        self._context = replace(self._context, redactor=redactor)

    def notify_set_aside(self, callback: OnSetAside) -> None:
        """Call back for set-aside changes from now on, also in new forks."""
        self._context = replace(self._context, on_set_aside=callback)

    def report_to(self, tell: Callable[[str], None]) -> None:
        """Report to `tell` from now on, also in new forks."""
        self._context = replace(self._context, tell=tell)

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        """Return the paths that differ between two trees."""
        return [text_of(change.path) for change in await self.store.changes(since, until)]

    async def patch(self, since: TreeId, until: TreeId, *, most: int = PATCH_LIMIT) -> str:
        """Return a readable patch between two trees, cut after `most` bytes."""
        return await self.store.patch(since, until, most=most)

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        """Return the first bytes of a patch between two trees, in the format of `git apply`.

        Without `binary`, the patch only names binary files that differ.
        """
        return await self.store.diff(since, until, most=most, binary=binary)

    async def export(self, tree: TreeId, to: Path, *, repository: bool = False) -> None:
        """Write the files of a tree into a new or empty folder.

        With `repository`, the folder gets a `.git` for agents if the workspace has a `.git`.
        """
        materials = self._context.rules.materials
        await export_tree(self.store, tree, to, materials)
        if repository and (self.folder / ".git").exists():
            await add_agent_repository(self.store, to, tree=tree, materials=materials)

    async def prepare(
        self,
        wanted: Preparation,
        *,
        project: Path,
        environment: EnvironmentFactory | None = None,
        on_setup: OnSetup = do_nothing,
    ) -> PreparationResult:
        """Copy carried files into the folder and run the setup, once; later forks repeat both.

        Carried files are copied from the project. A person's folder needs no preparation. The
        setup runs on the base tree, and the created files are cached for other runs.
        """
        self._wanted, self._on_setup = wanted, on_setup
        if not self.sets_back:
            return PreparationResult()
        place = (environment or self._context.environment)(self.folder)
        site = replace(
            self._site(self.base.candidate),
            environment=place,
            setups=SetupCache(self._context.state, self._caches),
        )
        is_first = self._index.prepared_state() is None
        prepared = await prepare_folder(
            site, wanted, PreparationSource(project), base=self.base.candidate
        )
        if is_first:
            # The first snapshot lists the ignored files that exist before the first stage.
            await self.snapshot(PREPARED)
        return prepared

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "TrackedFolder":
        """Return the fork with a name: reopen an existing fork, or create a fork from a tree.

        A shared fork works in this folder, but has its own environment.
        """
        if shared:
            twin = copy(self)
            twin._environment = self._make_environment()
            twin._is_twin = True
            return twin
        index = FolderIndex(self.store.folder, name)
        known = find_fork(index)
        if known is not None:
            return self._dimension(known, name)
        with new_folder(make_workspaces_folder(self._context.state)) as folder:
            materials = self._context.rules.materials
            async with self._lock:
                parent = await self._take()
            await fill_fork(
                self.store, index, folder, tree=tree, materials=materials, parent=parent.cache
            )
            fork = self._dimension(folder, name)
            source = PreparationSource(self.folder, self._index.prepared_state())
            await prepare_folder(fork._site(tree), self._wanted, source, base=self.base.candidate)
            await self._copy_build_folders(parent.ignored, fork)
            # Recorded last: an unrecorded fork is created again.
            index.record_folder(folder)
        return fork

    async def discard(self, name: str) -> None:
        """Remove the folder of an unused fork; the trees of the fork stay."""
        await discard_fork(FolderIndex(self.store.folder, name))

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        """Merge the changes of trees since the tree `base` into the folder.

        Other paths of the folder stay, because other branches may work in the folder. Return the
        conflicting paths; if there are conflicts, nothing is changed.
        """
        if not trees:
            return ()
        async with self._lock:
            ours = (await self._take()).tree
            merged = await merge_trees(self.store, [ours, *trees], base=base)
            if not merged.conflicts:
                await self._apply(await self.store.changes(ours, merged.tree))
        return merged.conflicts

    async def close(self) -> None:
        """Save the stat cache, which makes the next snapshot fast, and leave the place."""
        async with self._lock:
            await in_thread(partial(self._index.save_stat_cache, self._cache))
        if isinstance(self._environment, PlacedEnvironment) and not self._is_twin:
            await self._environment.release()

    def _make_environment(self) -> ExecutionEnvironment:
        made = self._context.environment(self.folder)
        if isinstance(made, PlacedEnvironment):
            made.follow(self._context.rules, keeps=not self.sets_back)
        return made

    @property
    def _caches(self) -> Path:
        """The cache folder of the run, if it has one."""
        return cache_folder(self._context.state, self.store.folder.name)

    async def _copy_build_folders(self, ignored: Sequence[str], fork: "TrackedFolder") -> None:
        ours, theirs = (one.environment.working_directory() for one in (self, fork))
        copying = partial(
            copy_build_folders, self.folder, ignored, fork.folder, has_same_path=ours == theirs
        )
        if message := await in_thread(copying):
            self._context.tell(message)
            # Once is enough.
            self.report_to(do_nothing)

    def _dimension(self, folder: Path, name: str) -> "TrackedFolder":
        return TrackedFolder(
            folder, self._context, name=name, wanted=self._wanted, on_setup=self._on_setup
        )

    def _site(self, tree: TreeId) -> PreparationTarget:
        """Return this folder as the target of a preparation; the setup runs on `tree`."""
        return PreparationTarget(
            self.folder,
            tree,
            self.store,
            self._index,
            self._context.rules,
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
        ground, objects = self._context, self.store.objects
        now_ns = filesystem_time(self.folder, self.store.folder)
        taken = take_snapshot(self.folder, objects, ground.rules, cache=self._cache, now_ns=now_ns)
        # The journal will name this tree, and must not outlive it.
        objects.sync()
        self._index.set_ref(taken.tree)
        return taken

    async def _apply(self, changes: Sequence[TreeChange]) -> None:
        gone = [change.path for change in changes if change.after is None]
        put = {change.path: change.after for change in changes if change.after is not None}
        await in_thread(partial(remove_files, self.folder, gone))
        shown = self._context.rules.materials.shown(put)
        written = await write_out(self.store, shown, self.folder)
        # Missing files in the cache have no effect: the next walk leaves them out.
        self._cache = {**self._cache, **written}
