"""Has a run go on with its pipeline as it is now, when somebody accepts what changed since.

The pipelines of a run that somebody accepted after they had changed, each kept by its hash.

The journal says which one counts; it is written after both pipelines are kept, and before the new
one takes the place of the old one. So a process that dies in between leaves a run that goes on.

Reads a pipeline again as its run began with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Broken, UsageError
from attractor.base.events import Event
from attractor.base.files import file_trouble, write_whole
from attractor.base.journal import read_lines
from attractor.base.json import parse_json
from attractor.engine.errors import GraphChanged
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    read_files,
    read_kept_files,
    write_kept_files,
)
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import RunState
from attractor.engine.state.walks import WalkState
from attractor.engine.storage.json_files import Fields
from attractor.engine.truncation import keep_ends
from attractor.language.comparison.compare import diff
from attractor.language.comparison.output import NO_CHANGE, tell
from attractor.language.declarations.inputs import declared_inputs
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Graph
from attractor.language.linting.validate import VITAL
from attractor.language.preparation.transform import KnownFiles
from attractor.language.reading import decode, parse
from attractor.language.source.text import Source
from attractor.pipeline.host import NOTHING_BROUGHT, Brought, RunHost
from attractor.pipeline.options import RunOptions
from attractor.pipeline.run_lookup import reference_to
from attractor.pipeline.source import (
    PipelineSource,
    handlers_only,
    hash_now,
    known_in,
    open_pipeline,
    pipeline_hash,
    read_pipeline,
)

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


@dataclass(frozen=True)
class Acceptance:
    """A pipeline that is to take the place of the one before, what differs, and who accepts it."""

    before: PipelineSource
    pipeline: PipelineSource
    change: str
    by: str


def plan_acceptance(
    run: OpenRun, before: PipelineSource, options: RunOptions, world: RunHost, *, by: str
) -> Acceptance | None:
    """Return what somebody accepts; a change that nobody accepts is refused.

    Nothing is written yet: what is accepted has to be runnable as well.
    """
    file = options.file
    if not file.is_file():
        if by:
            raise UsageError(f"{file} is not there", hint="resume without --accept-graph")
        # What is gone changed nothing: the run has its pipeline.
        return None
    if hash_now(file, before) == before.content_hash:
        if by:
            world.tell("The pipeline is the one that the run has: there is nothing to accept.")
        return None
    if not by:
        raise GraphChanged(
            f"the pipeline of {run.manifest.run_id} was changed since it began",
            hint=f"go on with it as it is now: attractor resume {_name(run)} --accept-graph; "
            f"{_elsewhere(run)}; or put it back as it was",
        )
    after = _opened(run, options, world)
    if lost := list(_lost(run.state, before.graph, after.graph)):
        raise GraphChanged(
            f"run {run.manifest.run_id} cannot go on with {file} as it is now: {'; '.join(lost)}",
            hint=f"put that back, or {_elsewhere(run)}",
        )
    return Acceptance(before, after, _difference(before, after), by)


def accept_graph(run: OpenRun, acceptance: Acceptance, world: RunHost) -> None:
    """Put a pipeline in the place of the one before, which is kept, and say who accepted it."""
    before, pipeline = acceptance.before, acceptance.pipeline
    keep_graph(run.directory, before)
    keep_graph(run.directory, pipeline)
    world.tell(f"The pipeline was changed since, which {acceptance.by} accepts:")
    world.tell(acceptance.change)
    told = {
        "by": acceptance.by,
        "old": before.content_hash,
        "new": pipeline.content_hash,
        "change": keep_ends(acceptance.change),
    }
    run.emit(GRAPH_ACCEPTED, told, sync=True)
    put_in_place(run.directory, pipeline)


def _elsewhere(run: OpenRun) -> str:
    rewind = f"attractor rewind {_name(run)} NODE@VISIT --graph FILE"
    return f"go back to where it differs: {rewind}"


def _name(run: OpenRun) -> str:
    return reference_to(run.directory.root)


def _difference(before: PipelineSource, after: PipelineSource) -> str:
    """Tell how two pipelines differ, as `attractor diff` does, and which of their files do."""
    names = sorted({*before.files, *after.files})
    files = [f"  ~ {one}" for one in names if before.files.get(one) != after.files.get(one)]
    told = tell(diff(parse(before.text), parse(after.text)))
    lines = [told] if told or not files else []
    return "\n".join([*lines, *(["files", *files] if files else [])]) or NO_CHANGE


def _opened(run: OpenRun, options: RunOptions, world: RunHost) -> PipelineSource:
    """Read the pipeline as it is now; it is given what the run was given."""
    known = known_in(world)
    bare = open_pipeline(str(options.file), goal=options.goal, known=known)
    name = bare.graph.name
    if run.manifest.suite and name != run.manifest.pipeline:
        raise GraphChanged(
            f"run {run.manifest.run_id} is judged by {run.manifest.suite}, which is for the "
            f"pipeline {run.manifest.pipeline!r}, not for {name!r}",
            hint="keep the name of the pipeline, or start a new run: attractor run",
        )
    for one in declared_inputs(bare.graph):
        if one.default is None and not one.is_secret and one.name not in options.inputs:
            raise GraphChanged(
                f"{options.file} needs the input {one.name}, which the run was not given",
                hint="give it a default there, or start a new run: attractor run",
            )
    if options.withheld:
        return bare
    file, inputs = str(options.file), options.inputs
    return open_pipeline(file, goal=options.goal, inputs=inputs, known=known)


def _lost(state: RunState, before: Graph, after: Graph) -> Iterator[str]:
    """Yield what the run stands on and the changed pipeline lacks."""
    strands = state.strands
    for key, strand in strands.items():
        if strand.is_over:
            continue
        where = f"branch {strand.name or key}" if key else "the run"
        yield from _lost_places(strand, where, before, after)
        left = strands[strand.parent].in_flight if key else None
        if left and Forks(before).at(left.node) != Forks(after).at(left.node):
            yield f"the branches of {left.node} are others now, and {where} is one of them"
    visited = {node for one in strands.values() for node in one.progress.stages}
    for node in before.nodes.values():
        if node.is_goal_gate and node.id in visited and node.id not in after.nodes:
            yield f"there is no {node.id} any more, a goal gate that was visited"


def _lost_places(strand: WalkState, where: str, before: Graph, after: Graph) -> Iterator[str]:
    """Yield which of the nodes a walk stands at is gone, or is done by another handler."""
    at_work = strand.in_flight.node if strand.in_flight else ""
    for node in dict.fromkeys([strand.progress.next_node, at_work]):
        if node and node not in after.nodes:
            yield f"there is no {node} any more, where {where} goes on"
    if at_work in after.nodes and before.nodes[at_work].type != after.nodes[at_work].type:
        yield f"{at_work}, which was at work, is of type {after.nodes[at_work].type} now"


_NO_VARIABLES: Mapping[str, str] = {}


def read_again(
    directory: RunDirectory,
    manifest: Manifest,
    *,
    goal: str,
    inputs: Mapping[str, str] | None,
    brought: Brought = NOTHING_BROUGHT,
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
        raise file_trouble("read", file, cause) from cause
    found = KeptGraph(content, read_files(directory))
    accepted = find_accepted(directory)
    wanted = accepted.new if accepted else manifest.content_hash
    if accepted and found.hash != wanted:
        found = read_interrupted(directory, found, accepted)
    if found.hash != wanted:
        raise Broken(
            f"{file} is not what the run began with",
            hint="bring it back from a copy, or start a new run",
        )
    # It was sound when the run began; how grave the project takes a rule may have changed since.
    return read_pipeline(
        Source(decode(found.text, file=str(file)), str(file)),
        goal=goal,
        files=KnownFiles(found.files),
        inputs=inputs,
        known=replace(handlers_only(), brought=brought, environ=environ),
        refuses=lambda one: one.is_error and one.rule in VITAL,
    )
