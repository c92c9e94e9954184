"""The pipelines of a run that somebody accepted after they had changed, each kept by its hash.

The journal says which one counts; it is written after both pipelines are kept, and before the new
one takes the place of the old one. So a process that dies in between leaves a run that goes on.
"""

from collections.abc import Mapping
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.base.files import write_whole
from attractor.base.journal import read_lines
from attractor.base.json import parse_json
from attractor.engine.json_files import Fields
from attractor.engine.run_folder.layout import RunDirectory, read_kept_files, write_kept_files
from attractor.pipeline.source import PipelineSource, pipeline_hash

GRAPH_ACCEPTED = "GraphAccepted"
"""The kind emitted when somebody has a run go on with a pipeline that changed."""


@dataclass(frozen=True)
class Accepted:
    """The last acceptance of a run: the hash of the pipeline before it, and of the one since."""

    old: str
    new: str


@dataclass(frozen=True)
class KeptGraph:
    """A pipeline as it lies in a run directory: its text, and the files it names."""

    text: bytes
    files: Mapping[str, bytes]

    @property
    def hash(self) -> str:
        """What it is known by."""
        return pipeline_hash(self.text, self.files)


def find_accepted(directory: RunDirectory) -> Accepted | None:
    """Return what was accepted last; nothing for a run that goes on with what it began with."""
    # Most journals need not be read for it.
    if not any(directory.root.glob("graph.*.dot")) or not directory.events.exists():
        return None
    accepted = None
    for line in read_lines(directory.events):
        if GRAPH_ACCEPTED.encode() in line.content:
            record = parse_json(line.content)
            event = Event.from_record(record) if isinstance(record, dict) else None
            if event and event.type == GRAPH_ACCEPTED:
                data = Fields(event.data, GRAPH_ACCEPTED)
                accepted = Accepted(data.text("old"), data.text("new"))
    return accepted


def keep_graph(directory: RunDirectory, pipeline: PipelineSource) -> None:
    """Keep a pipeline by its hash."""
    graph, files = _places(directory, pipeline.content_hash)
    write_kept_files(files, pipeline.files)
    write_whole(graph, pipeline.text)


def put_in_place(directory: RunDirectory, pipeline: PipelineSource) -> None:
    """Make a pipeline the one that is seen in a run directory, if it is not."""
    if directory.files.exists() or pipeline.files:
        write_kept_files(directory.files, pipeline.files)
    write_whole(directory.graph, pipeline.text)


def read_interrupted(directory: RunDirectory, found: KeptGraph, accepted: Accepted) -> KeptGraph:
    """Return the accepted pipeline when whoever was to put it in place died; else what was found.

    Each of what lies in its place is then as it was before, or as it is to be.
    """
    old, new = (_read(directory, one) for one in (accepted.old, accepted.new))
    if old is None or new is None or new.hash != accepted.new:
        return found
    is_between = found.text in (old.text, new.text) and found.files in (old.files, new.files)
    return new if is_between else found


def _read(directory: RunDirectory, digest: str) -> KeptGraph | None:
    graph, files = _places(directory, digest)
    return KeptGraph(graph.read_bytes(), read_kept_files(files)) if graph.is_file() else None


def _places(directory: RunDirectory, digest: str) -> tuple[Path, Path]:
    name = f"graph.{digest[:12]}"
    return directory.root / f"{name}.dot", directory.root / f"{name}.files.json"
