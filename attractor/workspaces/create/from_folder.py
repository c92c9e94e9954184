"""Creates a workspace of a folder outside of git: from a copy, or in place."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.engine.seams import Base
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces import stat_cache
from attractor.workspaces.create.ignore_files import read_ignores
from attractor.workspaces.create.isolated import open_again
from attractor.workspaces.dimension import Dimension, MakeEnvironment, OnSnapshot
from attractor.workspaces.dimension_index import Index
from attractor.workspaces.export import write_out
from attractor.workspaces.files import in_thread
from attractor.workspaces.folders import make_place, new_folder
from attractor.workspaces.git.commits import Author, plant_git
from attractor.workspaces.git.object_store import Store, share_objects
from attractor.workspaces.result_tree import LEFT_OUT
from attractor.workspaces.run_store import Record, make_store, write_record
from attractor.workspaces.snapshot import Rules, Skipped, Snapshot, take_snapshot

MOST_FILES = 100_000
MOST_BYTES = 2 << 30
"""More of a folder is not copied: somebody may stand in a folder with all that they have."""


_SHOWN = 5


async def make_copied(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    author: Author,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = do_nothing,
    kept_out: Sequence[str] = (),
    tell: Callable[[str], None] = do_nothing,
) -> Dimension:
    """Make a workspace with what a folder holds now; its base has a tree, and no commit.

    What is ignored there, and what is `kept_out` in the words of a `.gitignore`, stays behind. A
    folder that is too large is refused before anything is made.
    """
    rules = await measure(folder, kept_out)
    store = await make_store(state, run_id, search_path=search_path)
    taken = await in_thread(partial(_look, folder, store, rules))
    _tell_of_skipped(taken.skipped, tell)
    await _fill(store, state, taken.tree, LEFT_OUT, author)
    return await open_again(
        state=state,
        run_id=run_id,
        search_path=search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )


async def make_copied_again(
    theirs: Store,
    record: Record,
    *,
    state: Path,
    run_id: str,
    author: Author,
    environment: MakeEnvironment,
) -> Dimension:
    """Make a workspace that began as that of another run did, from what is kept of that."""
    search_path, tree = theirs.git.search_path, record.base.candidate
    store = await make_store(
        state, run_id, search_path=search_path, object_format=record.object_format
    )
    await share_objects(theirs, store, tree=tree)
    await _fill(store, state, tree, record.left_out, author)
    return await open_again(
        state=state, run_id=run_id, search_path=search_path, environment=environment
    )


async def measure(folder: Path, kept_out: Sequence[str]) -> Rules:
    """Return what belongs to a copy of a folder; refuse one that is too large."""
    left_out = (*LEFT_OUT, *kept_out)
    limits = {"most_files": MOST_FILES, "most_bytes": MOST_BYTES}
    return Rules(await in_thread(partial(read_ignores, folder, left_out, **limits)))


def _look(folder: Path, store: Store, rules: Rules) -> Snapshot:
    now_ns = stat_cache.time_there(folder, store.folder)
    return take_snapshot(folder, store.objects, rules, cache={}, now_ns=now_ns)


async def _fill(
    store: Store, state: Path, tree: TreeId, left_out: Sequence[str], author: Author
) -> None:
    """Write a tree into a new folder, with a git for the agents, and record it."""
    files = await store.files_of(tree)
    with new_folder(make_place(state)) as folder:
        known = await write_out(store, files, folder)
        await plant_git(folder, store, files, author)
        Index(store.folder).know(known)
        store.objects.sync()
        base = Base("", tree, tree)
        write_record(store.folder, Record(folder, base, tuple(left_out), (), store.object_format))


def _tell_of_skipped(skipped: Sequence[Skipped], tell: Callable[[str], None]) -> None:
    if skipped:
        named = ", ".join(f"{one.path} ({one.why})" for one in islice(skipped, _SHOWN))
        more = f" and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        tell(f"Not in the copy that the run works on: {named}{more}.")


KEPT_OUT = ("/runs/",)
"""What no snapshot holds and no restore touches: the records of the run itself."""


async def make_in_place(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = do_nothing,
    kept_out: Sequence[str] = KEPT_OUT,
) -> Dimension:
    """Make a workspace of a folder as it is; its base has a tree, and no commit."""
    store = await make_store(state, run_id, search_path=search_path)
    rules = Rules(await in_thread(partial(read_ignores, folder, kept_out)))
    first = await in_thread(
        partial(
            take_snapshot,
            folder,
            store.objects,
            rules,
            cache={},
            now_ns=stat_cache.time_there(folder, store.folder),
        )
    )
    store.objects.sync()
    Index(store.folder).know(first.cache)
    base = Base("", first.tree, first.tree)
    record = Record(folder.absolute(), base, (), tuple(kept_out), store.object_format)
    write_record(store.folder, record)
    return await open_again(
        state=state,
        run_id=run_id,
        search_path=search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )
