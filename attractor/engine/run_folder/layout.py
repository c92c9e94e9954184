"""The files of a run directory, its manifest, and how a new directory is made."""

import os
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, fields
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, JournalError, Refused, VerificationError
from attractor.base.files import file_error, sync_folder, write_whole
from attractor.base.json import Json, JsonObject
from attractor.engine.errors import NewerFormat
from attractor.engine.seams import Base
from attractor.engine.storage.json_files import Fields, read_document, write_document
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import Promises
from attractor.language.graph.graph import folder_name

NAMES = tuple(field.name for field in fields(Promises))
"""Every promise by name."""


def promises_to_record(promises: Promises) -> dict[str, Json]:
    """Return promises as JSON has them."""
    return asdict(promises)


def promises_from_record(record: Fields) -> Promises:
    """Read promises back."""
    return Promises(**{name: record.flag(name) for name in NAMES})


FORMAT = 1
"""The format of run directories that this version makes."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a run was made from; what is pinned here never changes.

    A run that goes on from another one has that as its parent, and the visit it was forked at; one
    that goes on in place of its parent has the number of its `restart` (ruling R7).
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
    options: JsonObject = field(default_factory=dict[str, Json])
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    promises: Promises = field(default=Promises())


def manifest_to_record(manifest: Manifest) -> dict[str, Json]:
    """Return a manifest as JSON has it."""
    base = manifest.base
    return {
        "format": FORMAT,
        "run_id": manifest.run_id,
        "pipeline": manifest.pipeline,
        "goal": manifest.goal,
        "started": manifest.started.isoformat(),
        "content_hash": manifest.content_hash,
        "base": {"commit": base.commit, "tree": base.tree, "candidate": base.candidate},
        "parent": manifest.parent,
        "forked_at": manifest.forked_at,
        "restart": manifest.restart,
        "suite": manifest.suite,
        "profile": manifest.profile,
        "options": dict(manifest.options),
        "versions": dict(manifest.versions),
        "promises": promises_to_record(manifest.promises),
    }


def manifest_from_record(fields: Fields) -> Manifest:
    """Read a manifest back."""
    base, promises, versions = (fields.inner(one) for one in ("base", "promises", "versions"))
    return Manifest(
        run_id=fields.text("run_id"),
        pipeline=fields.text("pipeline"),
        goal=fields.text("goal"),
        started=fields.time("started"),
        content_hash=fields.text("content_hash"),
        base=Base(base.text("commit"), base.text("tree"), base.text("candidate")),
        parent=fields.text("parent"),
        forked_at=fields.text("forked_at") if fields.has("forked_at") else "",
        restart=fields.number("restart") if fields.has("restart") else 0,
        suite=fields.text("suite"),
        profile=fields.text("profile"),
        options=fields.members("options"),
        versions={name: versions.text(name) for name in fields.members("versions")},
        promises=promises_from_record(promises),
    )


_NO_SECRETS = Redactor()


CHILDREN = "children"
"""The folder of the pipelines that are run as part of a run."""


RESERVED_NAMES = frozenset({"inbox", "artifacts", CHILDREN, "evaluation", "incidents"})
"""Folders of a run directory that are not stages."""


@dataclass(frozen=True)
class RunDirectory:
    """Where everything of one run lies."""

    root: Path

    @property
    def manifest(self) -> Path:
        """What the run was made from."""
        return self.root / "manifest.json"

    @property
    def graph(self) -> Path:
        """The source of the pipeline, exactly as run."""
        return self.root / "graph.dot"

    @property
    def drawing(self) -> Path:
        """The graph with how far the run has come; not there where nothing draws."""
        return self.root / "graph.svg"

    @property
    def files(self) -> Path:
        """The files that the graph names, as the run began with them; not there without any."""
        return self.root / "graph.files.json"

    @property
    def events(self) -> Path:
        """The journal."""
        return self.root / "events.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The fold of the journal."""
        return self.root / "checkpoint.json"

    @property
    def run(self) -> Path:
        """Where the run is now."""
        return self.root / "run.json"

    @property
    def final(self) -> Path:
        """How the walk ended."""
        return self.root / "final.json"

    @property
    def lock(self) -> Path:
        """The file whose lock the runner holds."""
        return self.root / "run.lock"

    @property
    def inbox(self) -> Path:
        """Where anybody leaves orders for the runner."""
        return self.root / "inbox"

    @property
    def incidents(self) -> Path:
        """What an interruption left half-made."""
        return self.root / "incidents"

    @property
    def children(self) -> Path:
        """Where pipelines that are run as part of this one have their directories."""
        return self.root / CHILDREN

    @property
    def evaluation(self) -> Path:
        """Where each evaluation has a folder of its number."""
        return self.root / "evaluation"

    def stage(self, node: str) -> Path:
        """Return the folder of a node."""
        return self.root / folder_name(node)


def require_free(root: Path) -> None:
    """Refuse a place where something is already."""
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
    """Make the directory of a new run; the manifest comes last, so with it all is there.

    `files` are those that the pipeline is made of besides its own text. A run that does not begin
    at the start has a journal already: `begin` writes it. The manifest is kept without secrets; the
    pipeline is kept as it is, for its hash: one that holds a secret is refused before.
    """
    directory = RunDirectory(root)
    try:
        root.mkdir(parents=True)
    except FileExistsError as cause:
        raise _taken(root) from cause
    except OSError as cause:
        raise file_error("make", root, cause) from cause
    try:
        _fill(directory, source, files or {})
        begin(directory)
        write_manifest(directory, manifest, redactor)
        sync_folder(root.parent)
    except (FileError, JournalError):
        # On a full disk: half a directory would only stand in the way of the next try.
        shutil.rmtree(root, ignore_errors=True)
        raise
    return directory


def write_manifest(
    directory: RunDirectory, manifest: Manifest, redactor: Redactor = _NO_SECRETS
) -> None:
    """Write what a run was made from, without secrets."""
    write_document(directory.manifest, redactor.members(manifest_to_record(manifest)))


def read_manifest(directory: RunDirectory) -> Manifest:
    """Read what a run was made from, when this version knows its format."""
    if directory.root.is_dir() and not directory.manifest.exists():
        hint = "bring it back from a copy, or start a new run: nothing else says what it was"
        raise VerificationError(f"{directory.manifest} is missing", hint=hint)
    fields = read_document(directory.manifest)
    format_ = fields.number("format")
    if format_ > FORMAT:
        raise NewerFormat(f"{directory.root} has format {format_}, newer than {FORMAT}")
    return manifest_from_record(fields)


def read_files(directory: RunDirectory) -> Mapping[str, bytes]:
    """Return the files that the pipeline of a run is made of besides its own text."""
    return read_kept_files(directory.files)


def read_kept_files(file: Path) -> Mapping[str, bytes]:
    """Return files as they are kept in one; without it there are none."""
    if not file.exists():
        return {}
    record = read_document(file).members("files")
    return {name: b64decode(str(content)) for name, content in record.items()}


def write_kept_files(file: Path, files: Mapping[str, bytes]) -> None:
    """Keep files in one."""
    written: dict[str, Json] = {name: b64encode(one).decode() for name, one in files.items()}
    write_document(file, {"files": written})


def _fill(directory: RunDirectory, source: str | bytes, files: Mapping[str, bytes]) -> None:
    done = directory.inbox / "done"
    try:
        done.mkdir(parents=True)
    except OSError as cause:
        raise file_error("make", done, cause) from cause
    write_whole(directory.graph, source)
    if files:
        write_kept_files(directory.files, files)


def _taken(root: Path) -> Refused:
    hint = "choose another place, or resume the run that is there"
    return Refused(f"{root} exists already", hint=hint)
