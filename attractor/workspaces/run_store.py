"""The store of a run: workspace record, index of the dimension, and forks."""

import hashlib
import shutil
import tempfile
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, UsageError, require_format
from attractor.base.files import file_error, make_private_folder, write_whole
from attractor.base.json import Json, canonical_json, parse_json
from attractor.base.records import read_fields, write_fields
from attractor.engine.seams import Base
from attractor.engine.state.attempts import TreeId
from attractor.workspaces import snapshot as stat_cache
from attractor.workspaces.caches import cache_folder
from attractor.workspaces.errors import RecordBroken, WorkspaceExists
from attractor.workspaces.folders import remove_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import Author, ObjectStore, create_agent_repository
from attractor.workspaces.git.objects import Materials
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.preparation import PreparedState, prepared_state_from_record
from attractor.workspaces.snapshot import StatCache, filesystem_time, write_out

MAIN = ""
"""The name of the first dimension of a run; all others are forks."""

_FOLDER = "dimensions"

FORMAT = 1
"""The format number of the records of a store."""


class FolderIndex:
    """The entries of a dimension in a store: folder, stat cache, preparation and ref."""

    def __init__(self, store: Path, name: str = MAIN) -> None:
        self.name = name
        # A name may contain any character and have any length.
        encoded = name.encode("utf-8", "surrogatepass")
        key = "main" if name == MAIN else hashlib.sha256(encoded).hexdigest()[:32]
        self._stats = store / _FOLDER / f"{key}.stats"
        self._record = store / _FOLDER / f"{key}.json"
        self._ready = store / _FOLDER / f"{key}.ready"
        self._ref = store / "refs" / "attractor" / "dimension" / key

    def stat_cache(self) -> StatCache:
        """Return the stat cache of the folder."""
        return stat_cache.load(self._stats)

    def save_stat_cache(self, cache: StatCache) -> None:
        """Save the stat cache of the folder."""
        make_private_folder(self._stats.parent)
        stat_cache.save(cache, self._stats)

    def set_ref(self, tree: str) -> None:
        """Point the ref at the last tree, which protects this tree from garbage collection."""
        make_private_folder(self._ref.parent)
        write_whole(self._ref, f"{tree}\n", sync=False, mode=0o600)

    def folder(self) -> Path | None:
        """Return the folder of a fork; None if the folder was not created."""
        return _read_folder(self._record)

    def record_folder(self, folder: Path) -> None:
        """Record the folder of a fork; from now on, the fork is complete."""
        make_private_folder(self._record.parent)
        shown = self.name.encode("utf-8", "backslashreplace").decode()
        record = {"format": FORMAT, "name": shown, "folder": str(folder)}
        write_whole(self._record, canonical_json(record), mode=0o600)

    def prepared_state(self) -> PreparedState | None:
        """Return the recorded preparation of the folder, or None."""
        with suppress(OSError, NotCanonical):
            return prepared_state_from_record(parse_json(self._ready.read_bytes()))
        return None

    def keep_prepared_state(self, prepared_state: PreparedState) -> None:
        """Record the preparation of the folder."""
        make_private_folder(self._ready.parent)
        write_whole(self._ready, canonical_json(prepared_state.to_record()), mode=0o600)

    def forget(self) -> None:
        """Remove all entries except for the ref, which keeps the last tree."""
        for path in (self._record, self._ready, self._stats):
            try:
                path.unlink(missing_ok=True)
            except OSError as cause:
                raise file_error("remove", path, cause) from cause


def fork_folders(store: Path) -> Collection[Path]:
    """Return the folders of the forks in a store."""
    folders = map(_read_folder, (store / _FOLDER).glob("*.json"))
    return [folder for folder in folders if folder is not None]


def _read_folder(path: Path) -> Path | None:
    match _read(path):
        case None:
            return None
        case {"folder": str(folder)}:
            return Path(folder)
        case _:
            raise RecordBroken(f"corrupt record {path}")


def _read(path: Path) -> dict[str, Json] | None:
    """Return a record of a known format, or None if the file is missing."""
    try:
        record = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    except NotCanonical as cause:
        raise RecordBroken(f"corrupt record {path}: {cause}") from cause
    match record:
        case {"format": int(number), **fields}:
            require_format(path, number, current=FORMAT)
            return fields
        case _:
            raise RecordBroken(f"corrupt record {path}")


def find_fork(index: FolderIndex) -> Path | None:
    """Return the folder of a fork, or None if the folder does not exist."""
    folder = index.folder()
    return folder if folder is not None and folder.is_dir() else None


async def fill_fork(
    store: ObjectStore,
    index: FolderIndex,
    folder: Path,
    *,
    tree: TreeId,
    materials: Materials,
    parent: StatCache,
) -> None:
    """Write a tree into an empty folder, and make a Git repository for agents in this folder.

    Files that are unchanged since the fork's parent get the modification times of the parent.
    """
    # Entries of an earlier folder with this name are obsolete.
    index.forget()
    files = materials.added_to(await store.files_of(tree))
    written = await write_out(store, files, folder, parent=parent)
    await create_agent_repository(folder, store, files, _author(folder, store))
    index.save_stat_cache(written)
    index.set_ref(tree)


async def add_agent_repository(
    store: ObjectStore, folder: Path, *, tree: TreeId, materials: Materials
) -> None:
    """Make a Git repository for agents in a folder with the files of a tree."""
    files = materials.added_to(await store.files_of(tree))
    await create_agent_repository(folder, store, files, _author(folder, store))


async def discard_fork(index: FolderIndex) -> None:
    """Remove the folder of a fork, if it exists."""
    folder = index.folder()
    # The record goes first: an unrecorded folder is removed by the next run.
    index.forget()
    if folder is not None:
        await in_thread(partial(remove_folder, folder))


def _author(folder: Path, store: ObjectStore) -> Author:
    seconds = filesystem_time(folder, store.folder) / 1_000_000_000
    return Author.attractor(datetime.fromtimestamp(seconds, UTC))


RECORD_FILE = "workspace.json"


@dataclass(frozen=True)
class WorkspaceRecord:
    """The folder of a workspace, and the origin of the workspace.

    `excluded` are patterns of project files that the workspace does not contain, and `ignored` are
    patterns of ignored files, both as in `.gitignore`. `leave_out` are such patterns of new files
    that no tree contains; with `leaves_out_builds`, no tree contains new build folders either (runs
    of earlier versions keep them). `materials` is a tree of files that the folder contains in
    addition to the snapshot tree, or in place of files in the snapshot tree.
    """

    folder: Path
    base: Base
    excluded: tuple[str, ...]
    ignored: tuple[str, ...]
    object_format: str
    materials: TreeId = ""
    leave_out: tuple[str, ...] = ()
    leaves_out_builds: bool = False


def write_record(store: Path, record: WorkspaceRecord) -> None:
    """Write the record of a store."""
    write_whole(
        store / RECORD_FILE,
        canonical_json(
            {"format": FORMAT, **write_fields(record, base=""), **write_fields(record.base)}
        ),
        mode=0o600,
    )


def read_record(store: Path) -> WorkspaceRecord | None:
    """Read the record of a store; return None if the record is missing."""
    path = store / RECORD_FILE
    fields = _read(path)
    if fields is None:
        return None
    base = {name: fields.pop(name, None) for name in ("commit", "tree", "candidate")}
    try:
        return read_fields(
            WorkspaceRecord,
            {**fields, "base": base},
            *("materials", "leave_out", "leaves_out_builds"),
        )
    except UsageError as cause:
        raise RecordBroken(f"corrupt record {path}: {cause.message}") from cause


STORES = "stores"
SUBMISSIONS = "submissions"
"""The folder of the files of submissions, until their runs have begun."""


@asynccontextmanager
async def store_for_a_moment(repository: Repository, state: Path) -> AsyncGenerator[ObjectStore]:
    """Yield a store for a moment, which borrows the objects of the repository."""
    made = state / SUBMISSIONS
    make_private_folder(made)
    # As stores of submissions, which a later one removes after a kill.
    with tempfile.TemporaryDirectory(dir=made, suffix=".git") as folder:
        store = ObjectStore(
            Path(folder, "store"),
            object_format=repository.object_format,
            search_path=repository.git.search_path,
        )
        await store.create(borrow_from=repository.objects)
        yield store


async def create_store(
    state: Path,
    run_id: str,
    *,
    search_path: str,
    object_format: str = "sha1",
    borrow_from: Path | None = None,
) -> ObjectStore:
    """Create the store of a run, which can borrow objects; replace an incomplete store."""
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
    caches = [cache_folder(state, store.name) for store in stores]
    return {folder.name for folder in chain((record.folder for record in records), forks, caches)}


def _place(state: Path, run_id: str) -> Path:
    return state / STORES / run_id
