"""Opens the workspace of a run again, in the same process or another, on this machine."""

from itertools import chain
from pathlib import Path

from attractor.base.atomic_files import file_trouble
from attractor.workspaces.dimension import Dimension, MakeEnvironment, OnSnapshot
from attractor.workspaces.ignores import IgnoreRules
from attractor.workspaces.record import Record
from attractor.workspaces.result_tree import kept_of
from attractor.workspaces.snapshot import Rules, Snapshot
from attractor.workspaces.store import Store
from attractor.workspaces.stores import open_store
from attractor.workspaces.trees import LINK, folders_above


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
    try:
        record.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise file_trouble("create", record.folder, cause) from cause
    return Dimension(
        folder=record.folder,
        store=store,
        base=record.base,
        left_out=record.left_out,
        rules=await _read_rules(store, record),
        environment=environment(record.folder),
        on_snapshot=on_snapshot,
    )


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
    kept = kept_of(await store.files_of(record.base.tree), record.left_out)
    return Rules(ignores, files.keys(), folders, kept)
