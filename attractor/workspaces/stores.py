"""Makes the store of a run in the state folder, and opens it again."""

import shutil
from collections.abc import Collection
from itertools import chain
from pathlib import Path

from attractor.base.files import file_trouble
from attractor.workspaces.errors import RecordBroken, WorkspaceExists
from attractor.workspaces.index import fork_folders
from attractor.workspaces.record import RECORD_FILE, Record, read_record
from attractor.workspaces.store import Store

STORES = "stores"


async def make_store(
    state: Path,
    run_id: str,
    *,
    search_path: str,
    object_format: str = "sha1",
    borrow_from: Path | None = None,
) -> Store:
    """Make the store of a run, which may borrow objects; a half-made one is made anew."""
    place = _place(state, run_id)
    if read_record(place) is not None:
        raise WorkspaceExists(f"run {run_id} has a workspace in {state} already")
    store = Store(place, object_format=object_format, search_path=search_path)
    try:
        if place.exists():  # without a record it was never finished
            shutil.rmtree(place)
        await store.make(borrow_from=borrow_from)
    except OSError as cause:
        raise file_trouble("make", place, cause) from cause
    return store


def open_store(
    state: Path, run_id: str, *, search_path: str, borrow_from: Path | None = None
) -> tuple[Store, Record]:
    """Open the store of a run, with the record of its workspace.

    When its project was moved, it borrows from where the objects are now.
    """
    place = _place(state, run_id)
    record = read_record(place)
    if record is None:
        raise RecordBroken(
            f"run {run_id} has no workspace in {state}",
            hint="set state_dir to what it was when the run began, or start a new run",
        )
    store = Store(place, object_format=record.object_format, search_path=search_path)
    if borrow_from is not None and record.base.commit:
        try:
            store.borrow(borrow_from)
        except OSError as cause:
            raise file_trouble("mend", place, cause) from cause
    return store, record


def recorded_folders(state: Path) -> Collection[str]:
    """Return the names of the folders that the runs of a state folder work in."""
    stores = [path.parent for path in (state / STORES).glob(f"*/{RECORD_FILE}")]
    records = filter(None, map(read_record, stores))
    forks = chain.from_iterable(map(fork_folders, stores))
    return {folder.name for folder in chain((one.folder for one in records), forks)}


def _place(state: Path, run_id: str) -> Path:
    return state / STORES / run_id
