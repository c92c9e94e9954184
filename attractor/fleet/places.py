"""Moves a run: its files are collected into a head in one place, and laid out in another.

A head has the run directory with those of its restarts, their stores, the agents with which the run
began, and what it needs of its project. Git objects are one growing file a store, so a stage costs
the same however many there were. No head has holdouts.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import field, replace
from pathlib import Path, PurePosixPath

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import file_error, make_private_folder, write_whole
from attractor.fleet.collecting import JOURNAL, Change, SeenFolder, SeenObjects, split_objects
from attractor.fleet.heads import FileEntry, HeadTree
from attractor.workspaces.folders import NAME as WORKSPACES
from attractor.workspaces.run_store import RECORD_FILE, STORES, read_record, write_record

RUNS, AGENTS, PROJECT = "runs", "agents", "project"
OBJECTS = "objects.log"
"""The Git objects of a store: of each its id, its size and its content, as Git stores it."""

_PACKS, _MANIFEST = "pack", "manifest.json"
_OF_STORE = (RECORD_FILE, "HEAD", "config", "refs")


@dataclass(frozen=True)
class Place:
    """The folders of runs, of the state and of the project on one machine."""

    runs: Path
    state: Path
    project: Path

    @classmethod
    def below(cls, root: Path) -> "Place":
        """Return the place of one run on a worker."""
        return cls(root / RUNS, root / "state", root / PROJECT)

    def store(self, run_id: str) -> Path:
        """Return the folder of the store of a run."""
        return self.state / STORES / run_id

    def path(self, name: str) -> Path:
        """Return the path of a file of a head; refuse a name outside of the place."""
        kind, *rest = PurePosixPath(name).parts or ("",)
        folders = {
            RUNS: self.runs,
            STORES: self.state / STORES,
            AGENTS: self.state / AGENTS,
            PROJECT: self.project,
        }
        if kind not in folders or not rest or ".." in rest:
            raise VerificationError(f"a head names {name!r}, which is no file of a run")
        if kind == STORES and len(rest) > 2 and rest[1] == _PACKS:
            rest.insert(1, "objects")
        return folders[kind].joinpath(*rest)


@dataclass
class Collector:
    """Collects what changed in a place since the last time.

    `run_ids` returns the runs: a run and its restarts. Agents and project do not change. Nothing
    else writes into the run directories meanwhile, except stages in flight, whose files the next
    attempt sets aside.
    """

    place: Place
    run_ids: Callable[[], Iterable[str]]
    _folders: dict[str, SeenFolder] = field(default_factory=dict[str, SeenFolder])
    _objects: dict[str, SeenObjects] = field(default_factory=dict[str, SeenObjects])

    async def collect(self, tree: HeadTree) -> None:
        """Bring all changes into a head."""
        for change in await asyncio.to_thread(lambda: list(self._changes())):
            if change.content is None:
                await tree.remove(change.name)
            elif change.grows:
                await tree.append(change.name, change.content)
            else:
                await tree.put(change.name, change.content, change.mode)

    def skip(self) -> None:
        """Let everything that is there now count as collected."""
        for _ in self._changes():
            pass

    def _changes(self) -> Iterator[Change]:
        place = self.place
        for run_id in self.run_ids():
            yield from self._in(f"{RUNS}/{run_id}", place.runs / run_id)
            store, name = place.store(run_id), f"{STORES}/{run_id}"
            yield from self._in(name, store, only=_OF_STORE)
            yield from self._in(f"{name}/{_PACKS}", store / "objects" / _PACKS)
            if log := self._objects.setdefault(name, SeenObjects()).added(store / "objects"):
                yield Change(f"{name}/{OBJECTS}", log, grows=True)

    def _in(self, name: str, path: Path, only: Iterable[str] | None = None) -> Iterator[Change]:
        names = None if only is None else frozenset(only)
        seen = self._folders.setdefault(name, SeenFolder())
        return seen.changes(name, path, only=names)


async def lay_out(
    tree: HeadTree, files: AsyncIterator[tuple[str, FileEntry | None]], place: Place
) -> None:
    """Write files of a head into a place; None removes a file.

    Journals come last: a reader of the place never sees an event whose files are missing.
    """
    journals: list[tuple[str, FileEntry]] = []
    async for name, entry in files:
        if entry is None:
            await asyncio.to_thread(place.path(name).unlink, missing_ok=True)
        elif PurePosixPath(name).name == JOURNAL:
            journals.append((name, entry))
        else:
            await _write(tree, name, entry, place)
    for name, entry in journals:
        await _write(tree, name, entry, place)


async def _write(tree: HeadTree, name: str, entry: FileEntry, place: Place) -> None:
    content = b"".join([piece async for piece in tree.content(entry)])
    path = place.path(name)
    if path.name == OBJECTS:
        await asyncio.to_thread(_write_objects, path.parent / "objects", content)
    elif path.name == RECORD_FILE and name.startswith(STORES):
        await asyncio.to_thread(_write_store_record, path, content, place)
    elif path.name == JOURNAL:
        await asyncio.to_thread(_write_journal, path, content, entry.mode)
    else:
        await asyncio.to_thread(_write_file, path, content, entry.mode)
    if path.name == _MANIFEST and path.parent.parent == place.runs:
        # A head has no empty folders, and orders need this one.
        (path.parent / "inbox" / "done").mkdir(parents=True, exist_ok=True)


def _write_file(path: Path, content: bytes, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, sync=False)
        path.chmod(mode)
    except OSError as cause:
        raise file_error("write", path, cause) from cause


def _write_journal(path: Path, content: bytes, mode: int) -> None:
    """Append what is new: readers that follow a journal keep its file open."""
    known = path.read_bytes() if path.exists() else b""
    if not known or not content.startswith(known):
        _write_file(path, content, mode)
        return
    with path.open("ab") as file:
        file.write(content[len(known) :])


def _write_objects(objects: Path, log: bytes) -> None:
    make_private_folder(objects)
    for digest, content in split_objects(log):
        path = objects / digest[:2] / digest[2:]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write_whole(path, content, sync=False, mode=0o400)


def _write_store_record(path: Path, content: bytes, place: Place) -> None:
    """Write the record of a store, with the folder that its workspace has in this place."""
    if path.exists():
        # The place has its own folder already.
        return
    _write_file(path, content, 0o600)
    # Git knows a store by its folders, and a head has no empty ones.
    for name in ("refs", "objects"):
        (path.parent / name).mkdir(exist_ok=True)
    record = read_record(path.parent)
    assert record
    folder = place.state / WORKSPACES / record.folder.name
    write_record(path.parent, replace(record, folder=folder))
