"""Moves a run: its files are collected into a head in one place, and laid out in another.

A head has the run directory with those of its restarts, their stores, the agents with which the run
began, and what it needs of its project. Git objects are one growing file a store, so a stage costs
the same however many there were. Only the head of an evaluation has holdouts, and it is in a store
of its own.
"""

import asyncio
import hashlib
import re
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from heapq import nlargest
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from attractor.base.amounts import format_size
from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import file_error, make_private_folder, write_whole
from attractor.base.ids import is_run_id
from attractor.base.json import parse_object
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.journal.events import RunRestarting
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.fleet.errors import HeadTooLarge
from attractor.fleet.store.collecting import JOURNAL, Change, SeenFolder, SeenObjects, split_objects
from attractor.fleet.store.heads import FileEntry, HeadTree
from attractor.workspaces.folders import NAME as WORKSPACES
from attractor.workspaces.git.repository import Git
from attractor.workspaces.run_store import RECORD_FILE, STORES, read_record, write_record

RUNS, AGENTS, PROJECT = "runs", "agents", "project"
EVALUATION = "evaluation"
SENT, SUITES, TRIALS = "sent.json", "suites", "trials.jsonl"
"""In the folder of an evaluation: the file that was sent, sealed suites, and the lines of a worker.
"""

WHY_STOPPED = "stopped.txt"
"""The file beside them with the error that stopped a worker."""

OBJECTS = "objects.log"
"""The Git objects of a store: of each its id, its size and its content, as Git stores it."""

_PACKS, _MANIFEST, _CHECKPOINT = "pack", "manifest.json", "checkpoint.json"
_OF_STORE = (RECORD_FILE, "HEAD", "refs")
_OBJECT_LOG = re.compile(rf"{STORES}/[^/]+/{re.escape(OBJECTS)}")
_PACK = r"pack-[0-9a-f]{40,64}\.(pack|idx|rev)"
_OF_STORES = re.compile(
    rf"[^/]+/({re.escape(RECORD_FILE)}|HEAD|refs/.+|{re.escape(OBJECTS)}|{_PACKS}/{_PACK})"
)
"""The files of stores that a head may have: others can name programs, or other stores."""

_PACK_FILE = re.compile(rf"{STORES}/[^/]+/{_PACKS}/[^/]+\.pack")
_INDEX = re.compile(rf"{STORES}/[^/]+/{_PACKS}/[^/]+\.(idx|rev)")
_STORE_RECORD = re.compile(rf"{STORES}/[^/]+/{re.escape(RECORD_FILE)}")

# Not from the head: a configuration can name programs.
_CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
_CONFIG_SHA256 = (
    b"[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = true\n"
    b"[extensions]\n\tobjectFormat = sha256\n"
)


@dataclass(frozen=True)
class MachinePlace:
    """The folders of runs, of the state and of the project on one machine."""

    runs: Path
    state: Path
    project: Path

    @classmethod
    def below(cls, root: Path) -> "MachinePlace":
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
            EVALUATION: self.state / EVALUATION,
        }
        if kind not in folders or not rest or ".." in rest:
            raise VerificationError(f"a head names {name!r}, which is no file of a run")
        if kind == STORES and not _OF_STORES.fullmatch("/".join(rest)):
            raise VerificationError(f"a head names {name!r}, which is no file of a store")
        if kind == STORES and rest[1] == _PACKS:
            rest.insert(1, "objects")
        return folders[kind].joinpath(*rest)


@dataclass
class HeadSize:
    """The sizes of the files of a head, which are limited together."""

    limit: int
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    total: int = 0

    def add(self, name: str, size: int, *, grows: bool = False) -> None:
        """Note the size of a file, or that it grows by a size."""
        before = self.sizes.get(name, 0)
        self.sizes[name] = size + before if grows else size
        self.total += self.sizes[name] - before

    def require_allowed(self) -> None:
        """Refuse a head that is too large, by the names of its largest files."""
        if self.total <= self.limit:
            return
        largest = nlargest(_MOST_NAMED, self.sizes.items(), key=lambda file: file[1])
        named = ", ".join(f"{_in_words(name)} ({format_size(size)})" for name, size in largest)
        raise HeadTooLarge(
            f"the files of the run take {format_size(self.total)}, more than the "
            f"{format_size(self.limit)} of fleet.max_head_bytes; the largest ones: {named}",
            hint="start its workers with a larger fleet.max_head_bytes",
        )


_MOST_NAMED = 3


def _in_words(name: str) -> str:
    """Return how people know a file of a head."""
    return "the Git objects of its workspace" if _OBJECT_LOG.fullmatch(name) else name


@dataclass
class Collector:
    """Collects what changed in a place since the last time.

    `run_ids` returns the runs: a run and its restarts. Agents and project do not change. Nothing
    else writes into the run directories meanwhile, except stages in flight, whose files the next
    attempt sets aside.
    """

    place: MachinePlace
    run_ids: Callable[[], Iterable[str]]
    size: HeadSize | None = None
    _waiting: deque[Change] = field(default_factory=deque[Change])
    _folders: dict[str, SeenFolder] = field(default_factory=dict[str, SeenFolder])
    _objects: dict[str, SeenObjects] = field(default_factory=dict[str, SeenObjects])

    async def collect(self, tree: HeadTree) -> None:
        """Bring all changes into a head."""
        self._waiting += await asyncio.to_thread(lambda: list(self._changes()))
        # A change leaves the line when it is in the head: the store may fail in between.
        while self._waiting:
            change = self._waiting[0]
            if change.content is None:
                await tree.remove(change.name)
            elif change.grows:
                await tree.append(change.name, change.content)
            else:
                await tree.put(change.name, change.content, change.mode)
            self._waiting.popleft()
            if self.size:
                self.size.add(change.name, len(change.content or b""), grows=change.grows)

    def skip(self) -> None:
        """Let everything that is there now count as collected."""
        for _ in self._changes():
            pass

    def _changes(self) -> Iterator[Change]:
        place = self.place
        if (place.state / EVALUATION).exists():
            yield from self._in(EVALUATION, place.state / EVALUATION, only=(TRIALS, WHY_STOPPED))
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


def chain_of(runs: Path, run_id: str) -> Sequence[Path]:
    """Return the directories of a run and of the runs that continue it after restarts."""
    found = [runs / run_id]
    while True:
        directory = RunDirectory(found[-1])
        restart = open_journal(directory.events, directory.checkpoint).state.restarted_as
        root = runs / restart
        if not is_run_id(restart) or not RunDirectory(root).manifest.exists():
            return found
        if not is_restart(root, found[-1]):
            raise _other_run(restart, found[-1])
        found.append(root)


def is_restart(root: Path, before: Path) -> bool:
    """Return whether a run continues another one after a restart."""
    manifest = read_manifest(RunDirectory(root))
    number = read_manifest(RunDirectory(before)).restart
    # Without a loop in a chain: the number rises.
    return manifest.parent == before.name and manifest.restart > number


def _other_run(name: str, before: Path) -> VerificationError:
    return VerificationError(
        f"the journal of run {before.name} says that {name!r} continues it, which is another run",
        hint="a worker changed its journal: look at its machine",
    )


async def lay_out(
    tree: HeadTree,
    files: AsyncIterator[tuple[str, FileEntry | None]],
    place: MachinePlace,
    *,
    search_path: str = "",
    grows: bool = False,
) -> None:
    """Write files of a head into a place; None removes a file.

    With `search_path`, where git is, the indexes of packs are not trusted, but made anew.

    Journals come late: a reader of the place never sees an event whose files are missing. Their
    checkpoints come last, because they refer to lines of them. With `grows`, a journal that does
    not begin with the one of the place is refused, and so is a head without it.
    """
    late: list[tuple[str, FileEntry]] = []
    async for name, entry in files:
        if entry is None:
            await asyncio.to_thread(_remove, name, place, grows=grows)
        elif _rank(name):
            late.append((name, entry))
        elif not (search_path and _INDEX.fullmatch(name)):
            await _write(tree, name, entry, place)
    for name, entry in sorted(late, key=lambda file: _rank(file[0])):
        content, path = await _content(tree, entry), place.path(name)
        if search_path and _PACK_FILE.fullmatch(name):
            await _write_pack(path, content, search_path)
        else:
            await asyncio.to_thread(_write_late, path, content, entry.mode, place, grows=grows)


def _rank(name: str) -> int:
    """Return the place of a file that comes late, or 0."""
    if _PACK_FILE.fullmatch(name):
        # The other files of its store make it a repository.
        return 1
    return {JOURNAL: 2, _CHECKPOINT: 3}.get(PurePosixPath(name).name, 0)


_KEPT = re.compile(rf"{_STORE_RECORD.pattern}|{RUNS}/[^/]+/{re.escape(JOURNAL)}")
"""The files that no later head lacks: without them, another content could take their place."""


def _remove(name: str, place: MachinePlace, *, grows: bool) -> None:
    path = place.path(name)
    if grows and _KEPT.fullmatch(name):
        raise VerificationError(f"a head lacks {name}, which an earlier one has")
    path.unlink(missing_ok=True)


async def _write(tree: HeadTree, name: str, entry: FileEntry, place: MachinePlace) -> None:
    content, path = await _content(tree, entry), place.path(name)
    if _OBJECT_LOG.fullmatch(name):
        await asyncio.to_thread(_write_objects, path.parent / "objects", content)
    elif _STORE_RECORD.fullmatch(name):
        await asyncio.to_thread(_write_store_record, path, content, place)
    else:
        await asyncio.to_thread(_write_file, path, content, entry.mode)
    if path.name == _MANIFEST and path.parent.parent == place.runs:
        # A head has no empty folders, and orders need this one.
        (path.parent / "inbox" / "done").mkdir(parents=True, exist_ok=True)


async def _content(tree: HeadTree, entry: FileEntry) -> bytes:
    return b"".join([piece async for piece in tree.content(entry)])


def _require_own_restarts(root: Path, content: bytes) -> None:
    """Refuse a journal or a checkpoint of a run that names another run of the place as restart."""
    for line in content.splitlines() if b"estart" in content else ():
        match parse_object(line) if b"estart" in line else None:
            case {"type": RunRestarting.__name__, "data": {"run_id": str(name)}}:
                pass
            case {"run": {"restarted_as": str(name)}} if name:
                pass
            case _:
                continue
        other = root.parent / name
        is_here = is_run_id(name) and RunDirectory(other).manifest.exists()
        if not is_run_id(name) or (is_here and not is_restart(other, root)):
            raise _other_run(name, root)


def _write_file(path: Path, content: bytes, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, sync=False)
        path.chmod(mode)
    except OSError as cause:
        raise file_error("write", path, cause) from cause


async def _write_pack(path: Path, content: bytes, search_path: str) -> None:
    """Write a pack with an index of its own: one from a head may call a content another one."""
    if path.with_suffix(".idx").exists() and path.read_bytes() == content:
        return
    store = path.parents[2]
    with TemporaryDirectory(prefix="scratch-", dir=store) as new:
        file = Path(new, path.name)
        await asyncio.to_thread(file.write_bytes, content)
        await Git(store, search_path).run_from(file, "index-pack", "--stdin")


def _write_late(path: Path, content: bytes, mode: int, place: MachinePlace, *, grows: bool) -> None:
    if path.parent.parent == place.runs:
        _require_own_restarts(path.parent, content)
    if path.name == JOURNAL:
        _write_journal(path, content, mode, grows=grows)
    else:
        _write_file(path, content, mode)


def _write_journal(path: Path, content: bytes, mode: int, *, grows: bool) -> None:
    """Append what is new: readers that follow a journal keep its file open."""
    known = path.read_bytes() if path.exists() else b""
    if not known or not content.startswith(known):
        if known and grows:
            raise VerificationError(
                f"the journal of the next head does not continue {path}",
                hint="a worker changed what was committed before: look at its machine",
            )
        _write_file(path, content, mode)
        return
    with path.open("ab") as file:
        file.write(content[len(known) :])


def _write_objects(objects: Path, log: bytes) -> None:
    """Write Git objects, each only with the content of its id."""
    make_private_folder(objects)
    for digest, content in split_objects(log):
        if not _is_object(digest, content):
            raise VerificationError(f"the object {digest[:80]!r} of {objects} has another content")
        path = objects / digest[:2] / digest[2:]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write_whole(path, content, sync=False, mode=0o400)


def _is_object(digest: str, content: bytes) -> bool:
    if len(digest) not in _ALGORITHMS:
        return False
    whole, inflated = hashlib.new(_ALGORITHMS[len(digest)]), zlib.decompressobj()
    try:
        # In pieces: a small object of a worker may have a very large content.
        while piece := inflated.decompress(content, _PIECE):
            whole.update(piece)
            content = inflated.unconsumed_tail
    except zlib.error:
        return False
    return inflated.eof and whole.hexdigest() == digest


_PIECE = 1 << 20
_ALGORITHMS = {40: "sha1", 64: "sha256"}


def _write_store_record(path: Path, content: bytes, place: MachinePlace) -> None:
    """Write the record of a store, with the folder that its workspace has in this place."""
    if path.exists():
        # The place has its own folder already.
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="scratch-", dir=path.parent) as new:
        # Elsewhere, because a record that is there counts.
        write_whole(Path(new, RECORD_FILE), content, sync=False)
        record = read_record(Path(new))
    if record is None or record.folder.name in ("", ".."):
        raise VerificationError(f"{path} is no record of a store")
    config = _CONFIG_SHA256 if record.object_format == "sha256" else _CONFIG
    _write_file(path.parent / "config", config, 0o600)
    # Git knows a store by its folders, and a head has no empty ones.
    for name in ("refs", "objects"):
        (path.parent / name).mkdir(exist_ok=True)
    folder = place.state / WORKSPACES / record.folder.name
    write_record(path.parent, replace(record, folder=folder))
