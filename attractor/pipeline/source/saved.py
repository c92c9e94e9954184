"""Pipelines saved in a run directory: the current one, and each accepted change by its hash."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.events import Event
from attractor.base.files import file_error, write_whole
from attractor.base.journal import read_lines
from attractor.base.json import parse_json
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    read_files,
    read_stored_files,
    write_stored_files,
)
from attractor.engine.storage.json_files import Fields
from attractor.language.linting.validate import VITAL
from attractor.language.preparation.transform import KnownFiles
from attractor.language.reading import decode
from attractor.language.source.text import Source
from attractor.pipeline.host.custom_parts import NO_CUSTOM_PARTS, CustomParts
from attractor.pipeline.source.read import (
    PipelineSource,
    bare_project,
    pipeline_hash,
    read_pipeline,
)

GRAPH_ACCEPTED = "GraphAccepted"
"""The event that records an accepted change of the pipeline."""


@dataclass(frozen=True)
class AcceptedChange:
    """The last accepted change: the hashes of the old and the new pipeline."""

    old: str
    new: str


@dataclass(frozen=True)
class SavedPipeline:
    """A pipeline in a run directory: its text and its files."""

    text: bytes
    files: Mapping[str, bytes]

    @property
    def hash(self) -> str:
        """The content hash of the pipeline."""
        return pipeline_hash(self.text, self.files)


def find_accepted(directory: RunDirectory) -> AcceptedChange | None:
    """Return the last accepted change; None if there was none."""
    # Most runs have no accepted change, and their journal is not read.
    if not any(directory.root.glob("graph.*.dot")) or not directory.events.exists():
        return None
    accepted = None
    for line in read_lines(directory.events):
        if GRAPH_ACCEPTED.encode() in line.content:
            record = parse_json(line.content)
            event = Event.from_record(record) if isinstance(record, dict) else None
            if event and event.type == GRAPH_ACCEPTED:
                data = Fields(event.data, GRAPH_ACCEPTED)
                accepted = AcceptedChange(data.text("old"), data.text("new"))
    return accepted


def save_pipeline(directory: RunDirectory, pipeline: PipelineSource) -> None:
    """Save a pipeline under its hash."""
    graph, files = _places(directory, pipeline.content_hash)
    write_stored_files(files, pipeline.files)
    write_whole(graph, pipeline.text)


def replace_pipeline(directory: RunDirectory, pipeline: PipelineSource) -> None:
    """Make a pipeline the current one of a run directory."""
    if directory.files.exists() or pipeline.files:
        write_stored_files(directory.files, pipeline.files)
    write_whole(directory.graph, pipeline.text)


def finish_interrupted_change(
    directory: RunDirectory, found: SavedPipeline, accepted: AcceptedChange
) -> SavedPipeline:
    """Return the accepted pipeline when whoever was to put it in place died; else what was found.

    Each of what lies in its place is then as it was before, or as it is to be.
    """
    old, new = (_read(directory, one) for one in (accepted.old, accepted.new))
    if old is None or new is None or new.hash != accepted.new:
        return found
    is_between = found.text in (old.text, new.text) and found.files in (old.files, new.files)
    return new if is_between else found


def _read(directory: RunDirectory, digest: str) -> SavedPipeline | None:
    graph, files = _places(directory, digest)
    return SavedPipeline(graph.read_bytes(), read_stored_files(files)) if graph.is_file() else None


def _places(directory: RunDirectory, digest: str) -> tuple[Path, Path]:
    name = f"graph.{digest[:12]}"
    return directory.root / f"{name}.dot", directory.root / f"{name}.files.json"


_NO_VARIABLES: Mapping[str, str] = {}


def read_saved_pipeline(
    directory: RunDirectory,
    manifest: Manifest,
    *,
    goal: str,
    inputs: Mapping[str, str] | None,
    custom_parts: CustomParts = NO_CUSTOM_PARTS,
    environ: Mapping[str, str] = _NO_VARIABLES,
) -> PipelineSource:
    """Read the pipeline of a run from its directory, or refuse one that was changed there.

    It is the one that the run began with, or that somebody accepted since. Without inputs those of
    the graph stay as they are written.
    """
    file = directory.graph
    try:
        content = file.read_bytes()
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    found = SavedPipeline(content, read_files(directory))
    accepted = find_accepted(directory)
    wanted = accepted.new if accepted else manifest.content_hash
    if accepted and found.hash != wanted:
        found = finish_interrupted_change(directory, found, accepted)
    if found.hash != wanted:
        raise VerificationError(
            f"{file} is not what the run began with",
            hint="bring it back from a copy, or start a new run",
        )
    # It was sound when the run began; how grave the project takes a rule may have changed since.
    return read_pipeline(
        Source(decode(found.text, file=str(file)), str(file)),
        goal=goal,
        files=KnownFiles(found.files),
        inputs=inputs,
        project=replace(bare_project(), custom_parts=custom_parts, environ=environ),
        refuses=lambda one: one.is_error and one.rule in VITAL,
    )
