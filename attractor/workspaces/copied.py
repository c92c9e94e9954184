"""Makes the workspace of a run from a copy of a folder, where no git keeps its files."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from attractor.engine.interfaces import Base, TreeId
from attractor.workspaces import stat_cache
from attractor.workspaces.agent_git import plant_git
from attractor.workspaces.commits import Author
from attractor.workspaces.dimension import Dimension, MakeEnvironment, OnSnapshot
from attractor.workspaces.gathering import untold
from attractor.workspaces.held_folders import new_folder
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.index import Index
from attractor.workspaces.opening import open_again, unheard
from attractor.workspaces.place import make_place
from attractor.workspaces.plain_folders import MOST_BYTES, MOST_FILES, read_ignores
from attractor.workspaces.record import Record, write_record
from attractor.workspaces.result_tree import LEFT_OUT
from attractor.workspaces.sharing import share_objects
from attractor.workspaces.snapshot import Rules, Skipped, Snapshot, take_snapshot
from attractor.workspaces.store import Store
from attractor.workspaces.stores import make_store
from attractor.workspaces.writing_out import write_out

_SHOWN = 5


async def make_copied(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    author: Author,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = unheard,
    kept_out: Sequence[str] = (),
    tell: Callable[[str], None] = untold,
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
