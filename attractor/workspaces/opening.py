"""Opens the workspace of a run again, in the same process or another, on this machine."""

from itertools import chain
from pathlib import Path

from attractor.base.files import file_trouble
from attractor.workspaces.dimension import Dimension, Ground, MakeEnvironment, OnSnapshot
from attractor.workspaces.ignores import IgnoreRules
from attractor.workspaces.index import Index
from attractor.workspaces.materials import NO_MATERIALS, materials_of
from attractor.workspaces.record import Record
from attractor.workspaces.result_tree import kept_of
from attractor.workspaces.snapshot import Rules, Snapshot
from attractor.workspaces.store import Store
from attractor.workspaces.stores import open_store
from attractor.workspaces.trees import LINK, SUBMODULE, folders_above


def unheard(subject: str, snapshot: Snapshot) -> None:
    """Take no notice of a snapshot."""


async def open_again(
    *,
    state: Path,
    run_id: str,
    search_path: str,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = unheard,
    borrow_from: Path | None = None,
) -> Dimension:
    """Open the workspace of a run, which nobody else has open.

    `borrow_from` is where the objects of its project are now.
    """
    store, record = open_store(state, run_id, search_path=search_path, borrow_from=borrow_from)
    store.remove_leavings()
    if not record.folder.is_dir():
        # Nothing of what was known of it holds for a new one.
        Index(store.folder).forget()
    try:
        record.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise file_trouble("create", record.folder, cause) from cause
    ground = Ground(
        state=state,
        store=store,
        base=record.base,
        left_out=record.left_out,
        rules=await _read_rules(store, record),
        environment=environment,
        on_snapshot=on_snapshot,
    )
    return Dimension(record.folder, ground)


async def _read_rules(store: Store, record: Record) -> Rules:
    """Return what the base tree says of the files that belong to it and those that do not."""
    files = await store.files_of(record.base.candidate)
    told = {
        path.removesuffix(b".gitignore"): entry.id
        for path, entry in files.items()
        if path.rpartition(b"/")[2] == b".gitignore" and entry.mode != LINK
    }
    texts = await store.with_blobs(list(told.values()), list)
    ignores = IgnoreRules(dict(zip(told, texts, strict=True)), record.ignored)
    folders = frozenset(chain.from_iterable(map(folders_above, files)))
    is_same = record.base.tree == record.base.candidate
    whole = files if is_same else await store.files_of(record.base.tree)
    kept = kept_of(whole, record.left_out)
    materials = NO_MATERIALS
    if record.materials:
        submodules = {path for path, entry in whole.items() if entry.mode == SUBMODULE}
        materials = materials_of(await store.files_of(record.materials), files, submodules)
    return Rules(ignores, files.keys(), folders, kept, materials)
