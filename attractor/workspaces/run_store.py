"""The store of a run, and the record of its workspace."""

import shutil
from collections.abc import Collection
from itertools import chain
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.files import file_error, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.engine.seams import Base
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces.dimension_index import fork_folders
from attractor.workspaces.errors import RecordBroken, WorkspaceExists
from attractor.workspaces.git.object_store import Store

RECORD_FILE = "workspace.json"


@dataclass(frozen=True)
class Record:
    """Where a workspace lies and what it was made from.

    What is left out of the project's tree, and what is ignored besides what the tree says, stands
    in the words of a `.gitignore`. `materials` is a tree of what is laid beside its files, or in
    the place of them.
    """

    folder: Path
    base: Base
    left_out: tuple[str, ...]
    ignored: tuple[str, ...]
    object_format: str
    materials: TreeId = ""


def write_record(store: Path, record: Record) -> None:
    """Write a record into a store."""
    write_whole(
        store / RECORD_FILE,
        canonical_json(
            {
                "format": 1,
                "folder": str(record.folder),
                "commit": record.base.commit,
                "tree": record.base.tree,
                "candidate": record.base.candidate,
                "left_out": list(record.left_out),
                "ignored": list(record.ignored),
                "object_format": record.object_format,
                "materials": record.materials,
            }
        ),
        mode=0o600,
    )


def read_record(store: Path) -> Record | None:
    """Read the record in a store, or return None when there is none."""
    path = store / RECORD_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    try:
        told = parse_json(text)
    except NotCanonical as cause:
        raise RecordBroken(f"{path} cannot be read: {cause}") from cause
    match told:
        case {
            "format": 1,
            "folder": str(folder),
            "commit": str(commit),
            "tree": str(tree),
            "candidate": str(candidate),
            "left_out": [*left_out],
            "ignored": [*ignored],
            "object_format": str(object_format),
            **more,
        }:
            return Record(
                Path(folder),
                Base(commit, tree, candidate),
                tuple(map(str, left_out)),
                tuple(map(str, ignored)),
                object_format,
                str(more.get("materials", "")),
            )
        case _:
            raise RecordBroken(f"{path} is not what this version of attractor writes")


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
        raise file_error("make", place, cause) from cause
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
            raise file_error("mend", place, cause) from cause
    return store, record


def recorded_folders(state: Path) -> Collection[str]:
    """Return the names of the folders that the runs of a state folder work in."""
    stores = [path.parent for path in (state / STORES).glob(f"*/{RECORD_FILE}")]
    records = filter(None, map(read_record, stores))
    forks = chain.from_iterable(map(fork_folders, stores))
    return {folder.name for folder in chain((one.folder for one in records), forks)}


def _place(state: Path, run_id: str) -> Path:
    return state / STORES / run_id
