"""A workspace folder of a run, its snapshots in the run's object store, and their merge."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error, write_whole
from attractor.engine.seams import PATCH_LIMIT, Base
from attractor.engine.stage.patch import clean_line
from attractor.engine.state.attempts import TreeId
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import ExecutionEnvironment
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.files import in_thread, remove_files
from attractor.workspaces.folders import make_workspaces_folder, new_folder
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
from attractor.workspaces.run_store import MAIN, DimensionIndex, discard_fork, fill_fork, find_fork
from attractor.workspaces.setup.cache import SetupCache
from attractor.workspaces.setup.preparation import (
    NO_PREPARATION,
    OnSetup,
    Preparation,
    PreparationResult,
)
from attractor.workspaces.setup.run_setup import (
    PreparationSource,
    PreparationTarget,
    prepare_folder,
)
from attractor.workspaces.snapshot import (
    Snapshot,
    SnapshotRules,
    export_tree,
    filesystem_time,
    make_folder,
    take_snapshot,
    write_out,
)

# As in git: a file with a zero byte near its beginning is binary.
_BINARY_CHECK = 8000


@dataclass(frozen=True)
class MergeResult:
    """The merged tree; with conflicts it is empty."""

    tree: TreeId
    conflicts: Sequence[str] = ()


async def merge_trees(store: ObjectStore, trees: Sequence[TreeId], *, base: TreeId) -> MergeResult:
    """Merge the changes of trees since their base, in their order.

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
    if conflicts := sorted({*merge.conflicts, *_files_in_place_of_folders(files, merge.changed)}):
        return MergeResult("", [text_of(path) for path in conflicts])
    whole = await in_thread(partial(write_tree, store.objects, files))
    await in_thread(store.objects.sync)
    return MergeResult(whole.hex())


class _Merge:
    """The changes so far, and their conflicts."""

    def __init__(self, store: ObjectStore) -> None:
        self.changed: dict[bytes, TreeEntry | None] = {}
        self.conflicts: set[bytes] = set()
        self._store = store

    async def add(self, change: TreeChange) -> None:
        """Add the change of one tree at a path."""
        path, after = change.path, change.after
        if self.changed.setdefault(path, after) == after:
            return
        merged = await self._merge_entries(change.before, self.changed[path], after)
        if merged is None:
            self.conflicts.add(path)
        else:
            self.changed[path] = merged

    def applied_to(self, base: FlatTree) -> FlatTree:
        """Return a tree with the changes."""
        files = {**base, **self.changed}
        return {path: entry for path, entry in files.items() if entry is not None}

    async def _merge_entries(
        self, base: TreeEntry | None, one: TreeEntry | None, other: TreeEntry | None
    ) -> TreeEntry | None:
        """Merge two changes of a file; return None for a conflict."""
        if one is None or other is None or not (_has_lines(one) and _has_lines(other)):
            return None
        if base is None and one.mode == other.mode:
            # Both are new: as in git, their base is an empty file.
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
        """Merge the lines of three versions, the base in the middle; return None for a conflict."""
        with self._store.empty_folder() as folder:
            files = [folder / name for name in ("one", "base", "other")]
            if not await self._store.with_blobs(ids, partial(_write_lines, files)):
                return None
            result = await self._store.git.answer("merge-file", "-q", *map(str, files))
            if result.timed_out or not 0 <= result.exit_code < 128:
                raise GitFailed(f"git merge-file in {folder} failed: {result.stderr.strip()}")
            if result.exit_code > 0:  # the number of conflicts
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


def _files_in_place_of_folders(
    files: FlatTree, changed: dict[bytes, TreeEntry | None]
) -> Iterator[bytes]:
    """Yield the files that are a folder in another tree."""
    for path, entry in changed.items():
        if entry is not None:
            yield from (above for above in folders_above(path) if above in files)


EnvironmentFactory = Callable[[Path], ExecutionEnvironment]
"""Creates the environment of a folder."""

OnSnapshot = Callable[[str, Snapshot], None]
"""Callback for each snapshot and its subject."""


@dataclass(frozen=True)
class SetAside:
    """Changes that a restore is about to remove: their paths, and a patch of them.

    The patch cannot be applied if secrets were redacted in it; the two trees still contain them.
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
class DimensionContext:
    """Values shared by all dimensions of a run; `state` is the state folder."""

    state: Path
    store: ObjectStore
    base: Base
    excluded: tuple[str, ...]
    rules: SnapshotRules
    environment: EnvironmentFactory
    on_snapshot: OnSnapshot
    redactor: Redactor = field(default_factory=Redactor)
    on_set_aside: OnSetAside = do_nothing


class Dimension:
    """A workspace folder of a run, with an index and a ref in the run's object store."""

    def __init__(
        self,
        folder: Path,
        context: DimensionContext,
        *,
        name: str = MAIN,
        wanted: Preparation = NO_PREPARATION,
        on_setup: OnSetup = do_nothing,
    ) -> None:
        self.folder = folder
        self._context = context
        self._index = DimensionIndex(context.store.folder, name)
        self._environment = context.environment(folder)
        self._wanted = wanted
        self._on_setup = on_setup
        self._cache = self._index.stat_cache()
        self._lock = asyncio.Lock()

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
    def environment(self) -> ExecutionEnvironment:
        """The environment of the current stage; the runner opens and closes it for each stage."""
        return self._environment

    async def snapshot(self, subject: str) -> TreeId:
        """Store the content of the folder and return its tree; the subject names the stage."""
        async with self._lock:
            taken = await self._take()
        self._context.on_snapshot(subject, taken)
        return taken.tree

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        """Restore a tree in the folder; write removed changes to a patch in `set_aside`."""
        async with self._lock:
            left = (await self._take()).tree
            changes = await self.store.changes(left, tree)
            if changes and set_aside is not None:
                make_folder(set_aside)
                clean = partial(clean_line, redactor=self._context.redactor)
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

    async def export(self, tree: TreeId, to: Path) -> None:
        """Write the files of a tree into a new or empty folder."""
        await export_tree(self.store, tree, to, self._context.rules.materials)

    async def prepare(
        self,
        wanted: Preparation,
        *,
        project: Path,
        environment: EnvironmentFactory | None = None,
        on_setup: OnSetup = do_nothing,
    ) -> PreparationResult:
        """Carry files and run the setup in the folder, once, and in every later fork.

        Carried files are copied from the project; a workspace in place needs no preparation. The
        setup runs on the base tree, and its results are cached for other runs.
        """
        self._wanted, self._on_setup = wanted, on_setup
        if self.folder.resolve() == project.resolve():
            return PreparationResult()
        place = (environment or self._context.environment)(self.folder)
        site = replace(
            self._site(self.base.candidate),
            environment=place,
            setups=SetupCache(self._context.state),
        )
        is_first = self._index.prepared_state() is None
        prepared = await prepare_folder(
            site, wanted, PreparationSource(project), base=self.base.candidate
        )
        if is_first:
            # The first snapshot lists the ignored files that exist before the first stage.
            await self.snapshot(PREPARED)
        return prepared

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "Dimension":
        """Return the fork with a name, reopened or created from a tree.

        A shared fork works in this folder, with its own environment.
        """
        if shared:
            twin = copy(self)
            twin._environment = self._context.environment(self.folder)
            return twin
        index = DimensionIndex(self.store.folder, name)
        known = find_fork(index)
        if known is not None:
            return self._dimension(known, name)
        with new_folder(make_workspaces_folder(self._context.state)) as folder:
            materials = self._context.rules.materials
            await fill_fork(self.store, index, folder, tree=tree, materials=materials)
            fork = self._dimension(folder, name)
            source = PreparationSource(self.folder, self._index.prepared_state())
            await prepare_folder(fork._site(tree), self._wanted, source, base=self.base.candidate)
            # Recorded last: an unrecorded fork is created again.
            index.record_folder(folder)
        return fork

    async def discard(self, name: str) -> None:
        """Remove the folder of an unused fork; its trees stay."""
        await discard_fork(DimensionIndex(self.store.folder, name))

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        """Restore a tree, or the merge of several trees with one base, in the folder.

        Returns the conflicting paths; with conflicts nothing is changed.
        """
        if not trees:
            return ()
        merged = await merge_trees(self.store, trees, base=base)
        if not merged.conflicts:
            await self.restore(merged.tree)
        return merged.conflicts

    async def close(self) -> None:
        """Save the stat cache, which makes the next snapshot fast."""
        async with self._lock:
            await in_thread(partial(self._index.save_stat_cache, self._cache))

    def _dimension(self, folder: Path, name: str) -> "Dimension":
        return Dimension(
            folder, self._context, name=name, wanted=self._wanted, on_setup=self._on_setup
        )

    def _site(self, tree: TreeId) -> PreparationTarget:
        """Return this folder as the target of a preparation on a tree."""
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
        # What is gone does no harm in the cache: the next walk leaves it out.
        self._cache = {**self._cache, **written}
