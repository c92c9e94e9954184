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
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.dimension_index import fork_folders
from attractor.workspaces.errors import RecordBroken, WorkspaceExists
from attractor.workspaces.git.object_store import ObjectStore

RECORD_FILE = "workspace.json"


@dataclass(frozen=True)
class WorkspaceRecord:
    """The folder of a workspace and its origin.

    `excluded` (project files that it does not contain) and `ignored` are patterns as in
    `.gitignore`. `materials` is a tree of files added to its tree or replacing files of it.
    """

    folder: Path
    base: Base
    excluded: tuple[str, ...]
    ignored: tuple[str, ...]
    object_format: str
    materials: TreeId = ""


def write_record(store: Path, record: WorkspaceRecord) -> None:
    """Write the record of a store."""
    write_whole(
        store / RECORD_FILE,
        canonical_json(
            {
                "format": 1,
                "folder": str(record.folder),
                "commit": record.base.commit,
                "tree": record.base.tree,
                "candidate": record.base.candidate,
                "excluded": list(record.excluded),
                "ignored": list(record.ignored),
                "object_format": record.object_format,
                "materials": record.materials,
            }
        ),
        mode=0o600,
    )


def read_record(store: Path) -> WorkspaceRecord | None:
    """Read the record of a store; return None if there is none."""
    path = store / RECORD_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    try:
        record = parse_json(text)
    except NotCanonical as cause:
        raise RecordBroken(f"corrupt record {path}: {cause}") from cause
    match record:
        case {
            "format": 1,
            "folder": str(folder),
            "commit": str(commit),
            "tree": str(tree),
            "candidate": str(candidate),
            "excluded": [*excluded],
            "ignored": [*ignored],
            "object_format": str(object_format),
            **more,
        }:
            return WorkspaceRecord(
                Path(folder),
                Base(commit, tree, candidate),
                tuple(map(str, excluded)),
                tuple(map(str, ignored)),
                object_format,
                str(more.get("materials", "")),
            )
        case _:
            raise RecordBroken(f"unknown format of record {path}")


STORES = "stores"


async def create_store(
    state: Path,
    run_id: str,
    *,
    search_path: str,
    object_format: str = "sha1",
    borrow_from: Path | None = None,
) -> ObjectStore:
    """Create the store of a run, which may borrow objects; replace an incomplete one."""
    place = _place(state, run_id)
    if read_record(place) is not None:
        raise WorkspaceExists(f"run {run_id} already has a workspace in {state}")
    store = ObjectStore(place, object_format=object_format, search_path=search_path)
    try:
        if place.exists():  # without a record it is incomplete
            shutil.rmtree(place)
        await store.create(borrow_from=borrow_from)
    except OSError as cause:
        raise file_error("make", place, cause) from cause
    return store


def open_store(
    state: Path, run_id: str, *, search_path: str, borrow_from: Path | None = None
) -> tuple[ObjectStore, WorkspaceRecord]:
    """Open the store of a run, with the record of its workspace.

    `borrow_from` is the current folder of the project's objects.
    """
    place = _place(state, run_id)
    record = read_record(place)
    if record is None:
        raise RecordBroken(
            f"run {run_id} has no workspace in {state}",
            hint="set state_dir to its value at the start of the run, or start a new run",
        )
    store = ObjectStore(place, object_format=record.object_format, search_path=search_path)
    if borrow_from is not None and record.base.commit:
        try:
            store.borrow(borrow_from)
        except OSError as cause:
            raise file_error("repair", place, cause) from cause
    return store, record


def recorded_folders(state: Path) -> Collection[str]:
    """Return the names of the workspace folders of all runs in a state folder."""
    stores = [path.parent for path in (state / STORES).glob(f"*/{RECORD_FILE}")]
    records = filter(None, map(read_record, stores))
    forks = chain.from_iterable(map(fork_folders, stores))
    return {folder.name for folder in chain((one.folder for one in records), forks)}


def _place(state: Path, run_id: str) -> Path:
    return state / STORES / run_id
