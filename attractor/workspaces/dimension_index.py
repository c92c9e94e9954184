"""What a store has of each dimension besides objects: what is known of its files, and a ref.

Fills the folder that a fork works in, finds it again, and removes it.

What a run writes down about its workspace, so that another process can open it again.

Makes the store of a run in the state folder, and opens it again.
"""

import hashlib
import shutil
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.files import file_trouble, make_private_folder, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.engine.seams import Base
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces import snapshot as stat_cache
from attractor.workspaces.errors import RecordBroken, WorkspaceExists
from attractor.workspaces.files import in_thread
from attractor.workspaces.folders import remove_folder
from attractor.workspaces.git.commits import Author, plant_git
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.objects import Materials
from attractor.workspaces.setup.preparation import Readiness, readiness_from_record
from attractor.workspaces.snapshot import StatCache, time_there, write_out

MAIN = ""
"""The name of the dimension that a run begins with; each other is a fork."""

_FOLDER = "dimensions"
_FORMAT = 1


class Index:
    """The entries of one dimension in a store; where a fork's folder lies is one of them."""

    def __init__(self, store: Path, name: str = MAIN) -> None:
        self.name = name
        # A name may have any letter in it, and any length.
        encoded = name.encode("utf-8", "surrogatepass")
        key = "main" if name == MAIN else hashlib.sha256(encoded).hexdigest()[:32]
        self._stats = store / _FOLDER / f"{key}.stats"
        self._record = store / _FOLDER / f"{key}.json"
        self._ready = store / _FOLDER / f"{key}.ready"
        self._ref = store / "refs" / "attractor" / "dimension" / key

    def known(self) -> StatCache:
        """Return what is known of the files since they were read last."""
        return stat_cache.load(self._stats)

    def know(self, cache: StatCache) -> None:
        """Write down what is known of the files."""
        make_private_folder(self._stats.parent)
        stat_cache.save(cache, self._stats)

    def point_at(self, tree: str) -> None:
        """Let a ref keep the tree that was taken last."""
        make_private_folder(self._ref.parent)
        write_whole(self._ref, f"{tree}\n", sync=False, mode=0o600)

    def folder(self) -> Path | None:
        """Return where a fork's folder lies, if it was made."""
        return _read(self._record)

    def keep_folder(self, folder: Path) -> None:
        """Write down where a fork's folder lies: from now on it is whole."""
        make_private_folder(self._record.parent)
        shown = self.name.encode("utf-8", "backslashreplace").decode()
        told = {"format": _FORMAT, "name": shown, "folder": str(folder)}
        write_whole(self._record, canonical_json(told), mode=0o600)

    def readiness(self) -> Readiness | None:
        """Return what was done to make the folder fit to work in, if it was."""
        with suppress(OSError, NotCanonical):
            return readiness_from_record(parse_json(self._ready.read_bytes()))
        return None

    def keep_readiness(self, readiness: Readiness) -> None:
        """Write down what was done to make the folder fit to work in."""
        make_private_folder(self._ready.parent)
        write_whole(self._ready, canonical_json(readiness.to_record()), mode=0o600)

    def forget(self) -> None:
        """Forget the folder and its files; the ref stays, and keeps the last tree."""
        for path in (self._record, self._ready, self._stats):
            try:
                path.unlink(missing_ok=True)
            except OSError as cause:
                raise file_trouble("remove", path, cause) from cause


def fork_folders(store: Path) -> Collection[Path]:
    """Return the folders of the forks that a store knows."""
    found = map(_read, (store / _FOLDER).glob("*.json"))
    return [folder for folder in found if folder is not None]


def _read(path: Path) -> Path | None:
    try:
        told = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_trouble("read", path, cause) from cause
    except NotCanonical as cause:
        raise RecordBroken(f"{path} cannot be read: {cause}") from cause
    match told:
        case {"format": 1, "folder": str(folder)}:
            return Path(folder)
        case _:
            raise RecordBroken(f"{path} is not what this version of attractor writes")


_NAME, _EMAIL = "Attractor", "attractor@localhost"


def find_fork(index: Index) -> Path | None:
    """Return the folder of a fork, if it was made and is there still."""
    folder = index.folder()
    return folder if folder is not None and folder.is_dir() else None


async def fill_fork(
    store: Store, index: Index, folder: Path, *, tree: TreeId, materials: Materials
) -> None:
    """Make an empty folder hold a tree, with a git for the agents."""
    # What is left of another folder of that name means nothing here.
    index.forget()
    files = materials.laid_into(await store.files_of(tree))
    written = await write_out(store, files, folder)
    await plant_git(folder, store, files, _author(folder, store))
    index.know(written)
    index.point_at(tree)


async def discard_fork(index: Index) -> None:
    """Remove the folder of a fork, if there is one."""
    folder = index.folder()
    # First: a folder that no record names is swept, but a record without a folder means nothing.
    index.forget()
    if folder is not None:
        await in_thread(partial(remove_folder, folder))


def _author(folder: Path, store: Store) -> Author:
    seconds = time_there(folder, store.folder) / 1_000_000_000
    return Author(_NAME, _EMAIL, datetime.fromtimestamp(seconds, UTC))


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
                "format": _FORMAT,
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
        raise file_trouble("read", path, cause) from cause
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
