"""The files of a run directory, and the lock that reserves the directory for one process."""

import os
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import (
    FileError,
    JournalError,
    LockHeld,
    Refused,
    VerificationError,
    require_format,
)
from attractor.base.files import file_error, read_regular, sync_folder, write_whole
from attractor.base.json import Json, JsonObject, canonical_json, parse_object
from attractor.base.locks import FileLock
from attractor.base.records import write_fields
from attractor.engine.errors import FenceLost
from attractor.engine.outcome import Usage
from attractor.engine.seams import Base
from attractor.engine.storage.json_files import Fields, read_document, write_document
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import Promises
from attractor.language.graph.graph import folder_name

NAMES = tuple(field.name for field in fields(Promises))
"""The names of all promises of an environment."""


def promises_to_record(promises: Promises) -> dict[str, Json]:
    """Return the record of promises."""
    return asdict(promises)


def promises_from_record(record: Fields) -> Promises:
    """Read promises from their record; an unrecorded promise was not proved."""
    return Promises(**{name: record.has(name) and record.flag(name) for name in NAMES})


FORMAT = 1
"""The format number of the run directories that this version writes.

A new field of a record gets a default, so that older records can be read. Any other change of a
file of the run directory raises this number.
"""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The manifest of a run (pipeline, settings and origin), which never changes.

    A fork has a parent, and the visit at which it was forked. A restart has a parent and the number
    of the restart (ruling R7). `agents` is the hash of the project's agents.
    """

    run_id: str
    pipeline: str
    goal: str
    started: datetime
    content_hash: str
    base: Base = field(default=Base("", "", ""))
    parent: str = ""
    forked_at: str = ""
    restart: int = 0
    suite: str = ""
    profile: str = ""
    agents: str = ""
    options: JsonObject = field(default_factory=dict[str, Json])
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    promises: Promises = field(default=Promises())

    @property
    def rebased_from(self) -> str:
        """The run whose result was rebased, or an empty text for another run."""
        return "" if self.forked_at or self.restart else self.parent


def manifest_to_record(manifest: Manifest) -> dict[str, Json]:
    """Return the record of a manifest."""
    return {"format": FORMAT, **write_fields(manifest)}


def manifest_from_record(fields: Fields) -> Manifest:
    """Read a manifest from its record."""
    manifest = fields.whole(Manifest, "agents", promises="")
    return replace(manifest, promises=promises_from_record(fields.inner("promises")))


_NO_SECRETS = Redactor()

CHILDREN = "children"
"""The folder of child pipelines."""

RESERVED_NAMES = frozenset({"inbox", "artifacts", CHILDREN, "evaluation", "incidents"})
"""The folders of a run directory that are not stages."""


@dataclass(frozen=True)
class RunDirectory:
    """The paths of the files of one run."""

    root: Path

    @property
    def manifest(self) -> Path:
        """The file with the manifest of the run."""
        return self.root / "manifest.json"

    @property
    def graph(self) -> Path:
        """The source of the pipeline, exactly as it is run."""
        return self.root / "graph.dot"

    @property
    def files(self) -> Path:
        """The files that the graph names, as they were at the start.

        Missing if the graph names no files.
        """
        return self.root / "graph.files.json"

    @property
    def events(self) -> Path:
        """The journal."""
        return self.root / "events.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint of the journal."""
        return self.root / "checkpoint.json"

    @property
    def run(self) -> Path:
        """The current status of the run."""
        return self.root / "run.json"

    @property
    def final(self) -> Path:
        """The file with the end of the walk."""
        return self.root / "final.json"

    @property
    def lock(self) -> Path:
        """The lock file of the process that runs the run."""
        return self.root / "run.lock"

    @property
    def elsewhere(self) -> Path:
        """The file that says where the run is executed, beside a copy of its directory."""
        return self.root / "elsewhere.json"

    @property
    def inbox(self) -> Path:
        """The folder of orders for the process that runs the run."""
        return self.root / "inbox"

    @property
    def incidents(self) -> Path:
        """The folder of partial edits, saved after an interruption."""
        return self.root / "incidents"

    @property
    def children(self) -> Path:
        """The run directories of child pipelines."""
        return self.root / CHILDREN

    @property
    def evaluation(self) -> Path:
        """The folder of evaluations; each evaluation has a number."""
        return self.root / "evaluation"

    def stage(self, node: str) -> Path:
        """Return the folder of a node."""
        return self.root / folder_name(node)


def require_free(root: Path) -> None:
    """Raise an error if a path exists."""
    if os.path.lexists(root):
        raise _taken(root)


def create_run_directory(
    root: Path,
    manifest: Manifest,
    source: str | bytes,
    *,
    files: Mapping[str, bytes] | None = None,
    begin: Callable[[RunDirectory], None] = lambda directory: None,
    redactor: Redactor = _NO_SECRETS,
) -> RunDirectory:
    """Make the directory of a new run; the manifest is written last, when all else is complete.

    `files` are the other files of the pipeline. `begin` writes the journal of a run that continues
    another run. The manifest is redacted. The pipeline is stored unchanged, so that its hash stays
    valid; a pipeline that contains a secret was refused earlier.
    """
    directory = RunDirectory(root)
    try:
        root.mkdir(parents=True)
    except FileExistsError as cause:
        raise _taken(root) from cause
    except OSError as cause:
        raise file_error("make", root, cause) from cause
    try:
        done = directory.inbox / "done"
        try:
            done.mkdir(parents=True)
        except OSError as cause:
            raise file_error("make", done, cause) from cause
        write_whole(directory.graph, source)
        if files:
            write_stored_files(directory.files, files)
        begin(directory)
        write_manifest(directory, manifest, redactor)
        sync_folder(root.parent)
    except (FileError, JournalError):
        # After an error such as a full disk, a partial directory would block the next attempt.
        shutil.rmtree(root, ignore_errors=True)
        raise
    return directory


def write_manifest(
    directory: RunDirectory, manifest: Manifest, redactor: Redactor = _NO_SECRETS
) -> None:
    """Write the redacted manifest of a run."""
    write_document(directory.manifest, redactor.members(manifest_to_record(manifest)))


def read_manifest(directory: RunDirectory) -> Manifest:
    """Read the manifest of a run; refuse a run directory of an unknown format."""
    if directory.root.is_dir() and not directory.manifest.exists():
        hint = "restore it from a copy, or start a new run"
        raise VerificationError(f"{directory.manifest} is missing", hint=hint)
    fields = read_document(directory.manifest)
    require_format(directory.root, fields.number("format"), current=FORMAT)
    return manifest_from_record(fields)


def read_files(directory: RunDirectory) -> Mapping[str, bytes]:
    """Return the other files of the pipeline of a run."""
    return read_stored_files(directory.files)


def read_stored_files(file: Path) -> Mapping[str, bytes]:
    """Return the files that are stored together in one file; empty if this file is missing."""
    if not file.exists():
        return {}
    record = read_document(file).members("files")
    return {name: b64decode(str(content)) for name, content in record.items()}


def write_stored_files(file: Path, files: Mapping[str, bytes]) -> None:
    """Store several files together in one file."""
    written: dict[str, Json] = {name: b64encode(data).decode() for name, data in files.items()}
    write_document(file, {"files": written})


def _taken(root: Path) -> Refused:
    hint = "choose another folder, or resume the run in it"
    return Refused(f"{root} exists already", hint=hint)


LOCK_WAIT_S = 0.2
"""The time in seconds that a process waits for the lock; a status check holds the lock briefly."""


class Fence(Protocol):
    """Reserves a run for one process.

    `begin` can be called several times; the directory is released after as many calls of `end`.
    """

    @property
    def is_lost(self) -> bool:
        """Whether another process took over the run."""
        ...

    @property
    def leaves(self) -> str:
        """Why this process leaves the run after the stages in flight, or ""."""
        ...

    def begin(self) -> None:
        """Lock the directory, or raise an error with the name of the locking process."""
        ...

    def commit(self) -> None:
        """Raise FenceLost if another process took over the run; called before each write."""
        ...

    def keep(self, used: Usage, *, ends_stage: bool) -> None:
        """Let the next owner continue from what is written.

        Called after each step of a walk, each order, and each question beside which others work.
        `used` is the usage of the run so far; `ends_stage` says that a stage was finished. Raise
        FenceLost if another process took over the run.
        """
        ...

    def end(self) -> None:
        """Release the directory."""
        ...


class FileFence:
    """A fence with a lock of the kernel, lost if another process replaced the lock file.

    A directory that only is a copy of one elsewhere is refused, except with `is_copy`.
    """

    def __init__(
        self,
        path: Path,
        *,
        purpose: str = "",
        wait: float = LOCK_WAIT_S,
        is_copy: bool = False,
    ) -> None:
        self._path = path
        self._is_copy = is_copy
        self._where = os.fspath(path)
        self._purpose = purpose
        self._wait = wait
        self._lock = FileLock(path)
        self._begun = 0
        self._file: tuple[int, int] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether another process took over the run."""
        return self._file is None or self._file != self._found()

    @property
    def leaves(self) -> str:
        """Nothing: no other process wants the run."""
        return ""

    def begin(self) -> None:
        """Lock the directory, or raise an error with the name of the locking process."""
        if not self._begun:
            self._require_here()
            self._lock.acquire(wait=self._wait, purpose=self._purpose)
            self._file = self._found()
        self._begun += 1

    def commit(self) -> None:
        """Raise FenceLost if another process took over the run."""
        if self.is_lost:
            raise FenceLost(f"{self._path.parent} was taken over by another process")

    def keep(self, used: Usage, *, ends_stage: bool) -> None:
        """Do nothing: the next owner reads the same directory."""

    def end(self) -> None:
        """Release the directory."""
        self._begun = max(0, self._begun - 1)
        if not self._begun:
            self._file = None
            self._lock.release()

    def _require_here(self) -> None:
        file = RunDirectory(self._path.parent).elsewhere
        if not self._is_copy and file.exists():
            record = read_document(file)
            raise LockHeld(
                f"{self._path.parent.name} is executed {record.text('where')}",
                hint=record.text("hint"),
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            # Without pathlib, which is slower: this is called before each event.
            found = os.stat(self._where)  # noqa: PTH116
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise file_error("read", self._path, cause) from cause
        return found.st_dev, found.st_ino


is_held = FileLock.is_held

_LIVE = "live"


def note_elsewhere(
    directory: RunDirectory, *, where: str, hint: str, is_live: bool, why: str = ""
) -> None:
    """Note that a directory is a copy of one elsewhere.

    `is_live`: the run is executed there. `why`: the reason why it is not.
    """
    record: JsonObject = {"where": where, "hint": hint, _LIVE: is_live, "why": why}
    write_whole(directory.elsewhere, canonical_json(record))


def is_executed(directory: RunDirectory) -> bool:
    """Return whether a process executes the run, here or, as far as is known, elsewhere."""
    if is_held(directory.lock):
        return True
    return _read_elsewhere(directory).get(_LIVE) is True


def why_stopped_elsewhere(directory: RunDirectory) -> str:
    """Return why a run of which the directory is a copy is not executed; "" for any other run."""
    return str(_read_elsewhere(directory).get("why", ""))


def _read_elsewhere(directory: RunDirectory) -> JsonObject:
    try:
        return parse_object(read_regular(directory.elsewhere)) or {}
    except OSError:
        return {}


Fences = Callable[[RunDirectory, str], Fence]
"""Returns the fence of a run directory, for a purpose."""


def file_fence(directory: RunDirectory, purpose: str) -> Fence:
    """Return the fence of a run on this machine."""
    return FileFence(directory.lock, purpose=purpose)
