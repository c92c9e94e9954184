"""Resumes a run with a changed pipeline, after an operator has accepted the change."""

from collections.abc import Iterator

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.errors import GraphChanged
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import RunState
from attractor.engine.state.walks import WalkState
from attractor.engine.truncation import keep_ends
from attractor.language.declarations.inputs import declared_inputs
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import (
    GRAPH_ACCEPTED,
    PipelineSource,
    context_of,
    hash_now,
    open_pipeline,
    pipeline_name,
    replace_pipeline,
    save_pipeline,
)
from attractor.records.lookup import reference_of
from attractor.records.request import RunRequest


@dataclass(frozen=True)
class PlannedChange:
    """A change of a pipeline: both versions, the difference, and who accepts it in a run."""

    before: PipelineSource
    pipeline: PipelineSource
    change: str
    by: str = ""


def plan_change(
    run: OpenRun, before: PipelineSource, request: RunRequest, scope: RunScope, *, by: str
) -> PlannedChange | None:
    """Return the change to accept, or raise an error if the change is not accepted.

    Nothing is written yet, because the changed pipeline still has to pass preflight.
    """
    project = scope.project
    file, name = request.file, reference_of(run.directory.root, project.runs_dir)
    if not file.is_file():
        if by:
            raise UsageError(f"{file} is missing", hint="resume without --accept-graph")
        # A file that is gone is no change: the run has its own copy.
        return None
    if request.gallery and not by:
        # An update of the package is no change by the operator.
        return None
    if hash_now(file, before) == before.content_hash:
        if by:
            project.console.tell("The pipeline was not changed: there is no change to accept.")
        return None
    if not by:
        raise GraphChanged(
            f"the pipeline of {run.manifest.run_id} was changed since it began",
            hint=f"accept the change: attractor resume {name} --accept-graph; "
            f"{_elsewhere(name)}; or restore the old pipeline",
        )
    after = _opened(run, request, scope)
    if lost := list(_lost(run.state, before.graph, after.graph)):
        raise GraphChanged(
            f"run {run.manifest.run_id} cannot continue with the changed {file}: {'; '.join(lost)}",
            hint=f"undo that change, or {_elsewhere(name)}",
        )
    return PlannedChange(before, after, _difference(before, after), by)


def accept_change(run: OpenRun, acceptance: PlannedChange, project: Project) -> None:
    """Save both pipelines, record the accepted change, and use the new pipeline from now on."""
    before, pipeline = acceptance.before, acceptance.pipeline
    save_pipeline(run.directory, before)
    save_pipeline(run.directory, pipeline)
    project.console.tell(f"The pipeline was changed; {acceptance.by} accepts the change:")
    project.console.tell(acceptance.change)
    data = {
        "by": acceptance.by,
        "old": before.content_hash,
        "new": pipeline.content_hash,
        "change": keep_ends(acceptance.change),
    }
    run.emit(GRAPH_ACCEPTED, data, sync=True)
    replace_pipeline(run.directory, pipeline)


def _elsewhere(name: str) -> str:
    rewind = f"attractor rewind {name} NODE@VISIT --graph FILE"
    return f"go back to a visit before the change: {rewind}"


def _difference(before: PipelineSource, after: PipelineSource) -> str:
    """Return the differences as `attractor diff` prints them, and the other files that differ."""
    # Few pipelines are changed during a run.
    from attractor.language.comparison.compare import diff
    from attractor.language.comparison.difference import NO_CHANGE, difference_text

    names = sorted({*before.files, *after.files})
    files = [f"  ~ {one}" for one in names if before.files.get(one) != after.files.get(one)]
    text = difference_text(diff(parse(before.text), parse(after.text)))
    lines = [text] if text or not files else []
    return "\n".join([*lines, *(["files", *files] if files else [])]) or NO_CHANGE


def _opened(run: OpenRun, request: RunRequest, scope: RunScope) -> PipelineSource:
    """Read the pipeline as its file is now, with the inputs of the run."""
    project = context_of(scope)
    bare = open_pipeline(str(request.file), goal=request.goal, project=project)
    name = pipeline_name(bare.graph, request.file)
    if name != run.manifest.pipeline:
        raise GraphChanged(
            f"{run.manifest.run_id} is a run of the pipeline {run.manifest.pipeline!r}, not of "
            f"{name!r}",
            hint="keep the name of the pipeline, or start a new run: attractor run",
        )
    for one in declared_inputs(bare.graph):
        if one.default is None and not one.is_secret and one.name not in request.inputs:
            raise GraphChanged(
                f"{request.file} needs the input {one.name}, which the run does not have",
                hint="add a default for this input, or start a new run: attractor run",
            )
    if request.withheld:
        return bare
    file, inputs = str(request.file), request.inputs
    return open_pipeline(file, goal=request.goal, inputs=inputs, project=project)


def _lost(state: RunState, before: Graph, after: Graph) -> Iterator[str]:
    """Yield errors for nodes that the run needs to continue and the changed pipeline lacks."""
    walks = state.walks
    for key, strand in walks.items():
        if strand.is_over:
            continue
        where = f"branch {strand.name or key}" if key else "the run"
        yield from _lost_places(strand, where, before, after)
        left = walks[strand.parent].in_flight if key else None
        if left and Forks(before).at(left.node) != Forks(after).at(left.node):
            yield f"the branches of {left.node} were changed, including {where}"
    visited = {node for one in walks.values() for node in one.progress.stages}
    for node in before.nodes.values():
        if node.is_goal_gate and node.id in visited and node.id not in after.nodes:
            yield f"the visited goal gate {node.id} was removed"


def _lost_places(strand: WalkState, where: str, before: Graph, after: Graph) -> Iterator[str]:
    """Yield errors for missing or retyped nodes at which a walk would continue."""
    interrupted = strand.in_flight.node if strand.in_flight else ""
    for node in dict.fromkeys([strand.progress.next_node, interrupted]):
        if node and node not in after.nodes:
            yield f"{node} was removed, where {where} continues"
    if (
        interrupted in after.nodes
        and before.nodes[interrupted].type != after.nodes[interrupted].type
    ):
        yield f"the interrupted node {interrupted} now has the type {after.nodes[interrupted].type}"
