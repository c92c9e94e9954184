"""Creates a workspace of a folder outside of git: from a copy, or in place."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.engine.seams import Base
from attractor.engine.state.attempts import TreeId
from attractor.workspaces import stat_cache
from attractor.workspaces.create.ignore_files import read_ignores
from attractor.workspaces.create.isolated import reopen_workspace
from attractor.workspaces.dimension import Dimension, EnvironmentFactory, OnSnapshot
from attractor.workspaces.dimension_index import DimensionIndex
from attractor.workspaces.export import write_out
from attractor.workspaces.files import in_thread
from attractor.workspaces.folders import make_workspaces_folder, new_folder
from attractor.workspaces.git.commits import Author, create_agent_repository
from attractor.workspaces.git.object_store import ObjectStore, share_objects
from attractor.workspaces.result_tree import EXCLUDED
from attractor.workspaces.run_store import WorkspaceRecord, create_store, write_record
from attractor.workspaces.snapshot import SkippedPath, Snapshot, SnapshotRules, take_snapshot

MOST_FILES = 100_000
MOST_BYTES = 2 << 30
"""The limits of a copy: the folder may be a home folder."""


_SHOWN = 5


async def create_from_copy(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    author: Author,
    environment: EnvironmentFactory,
    on_snapshot: OnSnapshot = do_nothing,
    also_excluded: Sequence[str] = (),
    tell: Callable[[str], None] = do_nothing,
) -> Dimension:
    """Create a workspace with a copy of a folder; its base has a tree and no commit.

    Ignored files, and files that match `also_excluded`, are not copied. A folder that is too large
    is refused before anything is created.
    """
    rules = await read_copy_rules(folder, also_excluded)
    store = await create_store(state, run_id, search_path=search_path)
    taken = await in_thread(partial(_take_first_snapshot, folder, store, rules))
    _report_skipped(taken.skipped, tell)
    await _create_folder(store, state, taken.tree, EXCLUDED, author)
    return await reopen_workspace(
        state=state,
        run_id=run_id,
        search_path=search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )


async def create_like(
    theirs: ObjectStore,
    record: WorkspaceRecord,
    *,
    state: Path,
    run_id: str,
    author: Author,
    environment: EnvironmentFactory,
) -> Dimension:
    """Create a workspace with the base tree of another run, from the store of that run."""
    search_path, tree = theirs.git.search_path, record.base.candidate
    store = await create_store(
        state, run_id, search_path=search_path, object_format=record.object_format
    )
    await share_objects(theirs, store, tree=tree)
    await _create_folder(store, state, tree, record.excluded, author)
    return await reopen_workspace(
        state=state, run_id=run_id, search_path=search_path, environment=environment
    )


async def read_copy_rules(folder: Path, also_excluded: Sequence[str]) -> SnapshotRules:
    """Return the rules for a copy of a folder; refuse a folder that is too large."""
    excluded = (*EXCLUDED, *also_excluded)
    limits = {"most_files": MOST_FILES, "most_bytes": MOST_BYTES}
    return SnapshotRules(await in_thread(partial(read_ignores, folder, excluded, **limits)))


def _take_first_snapshot(folder: Path, store: ObjectStore, rules: SnapshotRules) -> Snapshot:
    now_ns = stat_cache.filesystem_time(folder, store.folder)
    return take_snapshot(folder, store.objects, rules, cache={}, now_ns=now_ns)


async def _create_folder(
    store: ObjectStore, state: Path, tree: TreeId, excluded: Sequence[str], author: Author
) -> None:
    """Write a tree into a new folder, with a `.git` for agents, and record it."""
    files = await store.files_of(tree)
    with new_folder(make_workspaces_folder(state)) as folder:
        known = await write_out(store, files, folder)
        await create_agent_repository(folder, store, files, author)
        DimensionIndex(store.folder).save_stat_cache(known)
        store.objects.sync()
        base = Base("", tree, tree)
        write_record(
            store.folder, WorkspaceRecord(folder, base, tuple(excluded), (), store.object_format)
        )


def _report_skipped(skipped: Sequence[SkippedPath], tell: Callable[[str], None]) -> None:
    if skipped:
        named = ", ".join(f"{one.path} ({one.reason})" for one in islice(skipped, _SHOWN))
        more = f" and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        tell(f"Not copied into the workspace: {named}{more}.")


EXCLUDED_IN_PLACE = ("/runs/",)
"""Patterns of files that no snapshot contains: the records of the run."""


async def create_in_place(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    environment: EnvironmentFactory,
    on_snapshot: OnSnapshot = do_nothing,
    also_excluded: Sequence[str] = EXCLUDED_IN_PLACE,
) -> Dimension:
    """Create a workspace of a folder without a copy; its base has a tree and no commit."""
    store = await create_store(state, run_id, search_path=search_path)
    rules = SnapshotRules(await in_thread(partial(read_ignores, folder, also_excluded)))
    first = await in_thread(
        partial(
            take_snapshot,
            folder,
            store.objects,
            rules,
            cache={},
            now_ns=stat_cache.filesystem_time(folder, store.folder),
        )
    )
    store.objects.sync()
    DimensionIndex(store.folder).save_stat_cache(first.cache)
    base = Base("", first.tree, first.tree)
    record = WorkspaceRecord(folder.absolute(), base, (), tuple(also_excluded), store.object_format)
    write_record(store.folder, record)
    return await reopen_workspace(
        state=state,
        run_id=run_id,
        search_path=search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )
