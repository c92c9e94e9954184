"""The runs of the project, and the status of a run."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from attractor.base.durations import parse_since
from attractor.base.errors import UnknownName
from attractor.base.records import write_fields
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.history.index import RunQuery
from attractor.language.drawing.run_overlay import states_record
from attractor.pipeline.status import read_status, require_known_status
from attractor.records.context import read_context
from attractor.records.drawing import read_states
from attractor.records.evidence import StageWords
from attractor.records.summary import summarize
from attractor.server.http.cursors import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    read_text,
    write_cursor,
)
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel, JsonRecord, Name, Since
from attractor.server.http.scopes import READ, Calling, ProjectService, reached_projects

part = APIRouter(tags=["runs"], responses=problem_statuses(400, 404, 409))


class RunAnswer(AnswerModel):
    """A run, as `attractor runs --json` lists it."""

    run_id: str
    directory: str
    pipeline: str
    goal: str
    started: str
    workspace: str
    suite: str
    status: str
    phase: str
    live: bool = Field(description="A process holds the run now.")
    stopped: bool = Field(description="No process holds the run, and it can be resumed.")
    why_stopped: str
    paused: bool
    pausing: list[str] = Field(description="The stages that a run works on before it pauses.")
    stage: str = Field(description="The stage in flight, also of a stopped run.")
    written: str = Field(description="The time of the last change.")
    outcome: str
    reason: str
    wait: JsonRecord | None = Field(
        description="The reason why a run waits without asking a person, and until when."
    )
    next_node: str
    question: JsonRecord | None
    questions: list[JsonRecord]
    answered: dict[str, JsonRecord]
    parent: str
    restart: int
    restarted_as: str
    promoted_to: str
    rolled_back_from: str
    landed_on: str
    actor: str
    about: str = Field(description="The issue or ticket, and the round of the pull request.")
    place: str = Field(description="The place in which the stages work, or an empty text.")
    seconds: float
    cost_usd: float
    input_tokens: int
    output_tokens: int
    estimated_tokens: int = Field(
        description="The tokens, among these, of answers that were cut before their usage."
    )
    unpriced_tokens: int = Field(
        description="The tokens, among these, of calls whose cost is unknown."
    )
    subscription_usd: float = Field(
        description="The part of the cost that a subscription pays, by the list price."
    )
    trouble: str


class StageAtWorkAnswer(AnswerModel):
    """A stage in flight, with the last lines of its output."""

    run_id: str
    node: str
    visit: int
    attempt: int
    branch: str
    calling_since: str | None
    last_lines: list[str]


class ResultPatchAnswer(AnswerModel):
    """The patch with all changes of a run that worked on a copy."""

    path: str
    redacted: bool
    folder: str
    apply: str


class FailedOutputAnswer(AnswerModel):
    """A failed stage, and the lines of its output below the reason."""

    stage: str
    lines: list[str]


class RunStatusAnswer(RunAnswer):
    """The status of a run, as `attractor status --json` shows it."""

    changed: str
    incidents: list[JsonRecord]
    carried_changed: str = Field(
        description="The number of carried paths that changed during the run, with the first names."
    )
    result_patch: ResultPatchAnswer | None
    failed_output: list[FailedOutputAnswer]
    at_work: list[StageAtWorkAnswer]
    actions: list[str] = Field(
        description="The actions that the run allows now, as far as its status decides."
    )


class RunContextAnswer(AnswerModel):
    """The context of a run, and the places of its walks in the graph."""

    run_id: str
    branch: str = ""
    current_node: str = ""
    next_node: str = ""
    completed_nodes: list[str] = []
    tree: str = ""
    context: JsonRecord = {}
    branches: list[JsonRecord]


class NodeStateAnswer(AnswerModel):
    """The state of a node over all visits."""

    state: str
    visits: int
    seconds: float | None
    reason: str | None


class TakenEdgeAnswer(AnswerModel):
    """An edge that the run took."""

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    label: str
    times: int


class RunStatesAnswer(AnswerModel):
    """The states of the nodes of a run, as the drawing shows them."""

    current: str | None
    caption: str
    nodes: dict[str, NodeStateAnswer]
    taken: list[TakenEdgeAnswer]


@part.get("/api/v1/runs", dependencies=[READ])
def list_runs(
    service: ProjectService,
    caller: Calling,
    *,
    everywhere: Annotated[bool, Query(description="List the runs of all projects.")] = False,
    status: Annotated[
        str, Query(max_length=200, description="A status or outcome, such as failed.")
    ] = "",
    pipeline: Name = "",
    suite: Annotated[str, Query(max_length=200, description="NAME or NAME@VERSION.")] = "",
    goal: Annotated[str, Query(max_length=200, description="A part of the goal.")] = "",
    since: Since = "",
    live: Annotated[bool, Query(description="Only runs that a process executes.")] = False,
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Page[RunAnswer]:
    """List the runs of a project, or of all projects, newest first."""
    project = service.project
    folders = reached_projects(service, caller) if everywhere else [project.runs_dir]
    moment = (
        parse_since(since, project.machine.clock.now(), name="since").isoformat() if since else ""
    )
    query = RunQuery(
        status=status,
        pipeline=pipeline,
        suite=suite,
        goal=goal,
        since=moment,
        before=read_text(cursor),
        is_live=live,
        limit=limit + 1,
    )
    found = service.index.everywhere(folders, query)
    if status and not found:
        require_known_status(status)
    items = [RunAnswer.model_validate(one.to_record()) for one in found[:limit]]
    more = len(found) > limit
    return Page(items=items, next=write_cursor(found[limit - 1].directory.name) if more else "")


@part.get("/api/v1/runs/{run}", dependencies=[READ])
def show_run(service: ProjectService, run: str) -> RunStatusAnswer:
    """Show the status of a run, read from its journal."""
    status = read_status(service.root(run), service.project.runs_dir)
    return RunStatusAnswer.model_validate(status.to_record())


class StageWordsAnswer(AnswerModel, of=StageWords):
    """The last lines that a stage before a question answered or printed."""


class EvidenceAnswer(AnswerModel):
    """What a person needs to answer a question."""

    stages: list[StageWordsAnswer]
    changes: str = Field(description="A summary of the changed files so far.")


@part.get("/api/v1/runs/{run}/evidence", dependencies=[READ])
def show_evidence(
    service: ProjectService,
    run: str,
    question: Annotated[str, Query(max_length=200, description="The id of an open question.")],
) -> EvidenceAnswer:
    """Return what a person needs to answer a question: last outputs, and changes so far."""
    root = service.root(run)
    asked = {one.id: one for one in summarize(root).questions}
    if question not in asked:
        raise UnknownName("question", question, asked)
    found = service.evidence.of(root, asked[question], service.opened)
    return EvidenceAnswer.model_validate(write_fields(found))


@part.get("/api/v1/runs/{run}/context", dependencies=[READ])
def show_context(service: ProjectService, run: str) -> RunContextAnswer:
    """Show the values that the stages of a run share, and its place in the graph."""
    return RunContextAnswer.model_validate(read_context(service.root(run)).to_record())


@part.get("/api/v1/runs/{run}/states", dependencies=[READ])
def show_states(service: ProjectService, run: str) -> RunStatesAnswer:
    """Show the state of each node of a run, the edges taken, and the current node."""
    states = read_states(RunDirectory(service.root(run)))
    return RunStatesAnswer.model_validate(states_record(states))
