"""Makes a workspace of a folder where it stands: outside git, or because somebody asked for it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from attractor.engine.interfaces import Base
from attractor.workspaces import stat_cache
from attractor.workspaces.dimension import Dimension, MakeEnvironment, OnSnapshot
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.index import Index
from attractor.workspaces.opening import open_again, unheard
from attractor.workspaces.plain_folders import read_ignores
from attractor.workspaces.record import Record, write_record
from attractor.workspaces.snapshot import Rules, take_snapshot
from attractor.workspaces.stores import make_store

KEPT_OUT = ("/runs/",)
"""What no snapshot holds and no restore touches: the records of the run itself."""


async def make_in_place(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = unheard,
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
