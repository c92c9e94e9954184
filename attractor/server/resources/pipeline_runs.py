"""The endpoints of attractor-spec 9.5: `/pipelines/{id}` is a run, `events` is in a file beside.

The words of attractor-spec 11.11 (`/run`, `/status`, `/answer`) are other names of three of them.
"""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from attractor.base.errors import AttractorError
from attractor.engine.context import resolve_reference
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import RunState, state_to_record
from attractor.engine.storage.artifacts import Blobs
from attractor.pipeline.status import read_status
from attractor.records.lookup import reference_of
from attractor.records.open_work import question_records
from attractor.server.http.problems import STARTED, header, problem_statuses
from attractor.server.http.scopes import OPERATE, READ, Calling, ProjectService
from attractor.server.processes.bodies import (
    NO_REASON,
    AnswerBody,
    NamedAnswerBody,
    StartBody,
    WhyBody,
)
from attractor.server.run_actions import (
    ActionResult,
    StartedRun,
    answer_question,
    cancel_run,
    links_of,
    name_of,
    orders_to,
    start_run,
)
from attractor.server.service import Service

part = APIRouter(tags=["pipelines"])

UNKNOWN = problem_statuses(400, 404, 409)
STARTING = UNKNOWN | STARTED
ETAG = {"ETag": header("The version of the drawing, for `If-None-Match`.")}


class RunStatus(BaseModel):
    """The status and progress of a run, with the fields of `attractor status --json`."""

    model_config = ConfigDict(extra="allow")

    id: str
    status: str
    phase: str
    live: bool = Field(description="A process holds the run now.")
    outcome: str
    reason: str
    stage: str = Field(description="The stage in flight.")
    next_node: str
    completed_nodes: list[str] = Field(description="The nodes that ended, in order.")
    links: dict[str, str]


@part.post("/pipelines", dependencies=[OPERATE], status_code=201, responses=STARTING)
@part.post("/run", dependencies=[OPERATE], status_code=201, responses=STARTING)
@part.post("/api/v1/runs", dependencies=[OPERATE], status_code=201, responses=STARTING)
def submit_pipeline(
    service: ProjectService, caller: Calling, body: StartBody, response: Response
) -> StartedRun:
    """Start a run; answer when its directory exists, or with the error of its process."""
    started = start_run(service, body, caller)
    response.headers["location"] = started.links["self"]
    return started


@part.get("/pipelines/{run}", dependencies=[READ], responses=UNKNOWN)
def read_pipeline_status(service: ProjectService, run: str) -> RunStatus:
    """Show the status and the progress of a run."""
    return _status(service, run)


@part.get("/status", dependencies=[READ], responses=UNKNOWN)
def read_status_of(
    service: ProjectService,
    run: Annotated[str, Query(alias="id", description="The run.")] = "latest",
) -> RunStatus:
    """Show the status and the progress of a run."""
    return _status(service, run)


def _status(service: Service, run: str) -> RunStatus:
    root = service.root(run)
    status = read_status(root, service.project.runs_dir)
    try:
        progress = _state(service, run).progress
    except AttractorError:
        # The status has the trouble of a corrupt journal.
        progress = None
    completed = list(progress.completed) if progress else []
    record = {**status.to_record(), "completed_nodes": completed}
    name = name_of(service, root)
    return RunStatus.model_validate({**record, "id": name, "links": links_of(name)})


@part.post("/pipelines/{run}/cancel", dependencies=[OPERATE], responses=UNKNOWN)
def cancel_pipeline(
    service: ProjectService, caller: Calling, run: str, body: WhyBody = NO_REASON
) -> ActionResult:
    """Cancel a run, with or without a process."""
    return cancel_run(service, run, caller, body.why)


class Svg(Response):
    """A drawing."""

    media_type = "image/svg+xml"


@part.get(
    "/pipelines/{run}/graph",
    dependencies=[READ],
    response_class=Svg,
    responses={
        **UNKNOWN,
        200: {"headers": ETAG},
        304: {"description": "The drawing has not changed.", "headers": ETAG},
    },
)
def draw_pipeline(
    service: ProjectService, run: str, if_none_match: Annotated[str, Header()] = ""
) -> Response:
    """Draw the graph of a run, with the state of its stages."""
    drawing = service.run_drawings.draw(service.root(run))
    tag = f'"{drawing.content}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    tags = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    if tag in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    return Svg(drawing.svg, headers=headers)


@part.get("/pipelines/{run}/questions", dependencies=[READ], responses=UNKNOWN)
def list_questions(
    service: ProjectService, caller: Calling, run: str
) -> list[dict[str, JsonValue]]:
    """List the open questions of a run, with their choices."""
    orders = orders_to(service, run, caller)
    return question_records(orders.questions(), reference_of(orders.root, service.project.runs_dir))


@part.post(
    "/pipelines/{run}/questions/{question:path}/answer", dependencies=[OPERATE], responses=UNKNOWN
)
def answer_pipeline(
    service: ProjectService, caller: Calling, run: str, question: str, body: AnswerBody
) -> ActionResult:
    """Answer a question; if no process holds the run, a new one continues it."""
    return answer_question(
        service, run, caller, answer=body.answer, question=question, why=body.why
    )


@part.post("/answer", dependencies=[OPERATE], responses=UNKNOWN)
def answer_named(service: ProjectService, caller: Calling, body: NamedAnswerBody) -> ActionResult:
    """Answer a question; if no process holds the run, a new one continues it."""
    return answer_question(
        service, body.id, caller, answer=body.answer, question=body.question, why=body.why
    )


@part.get("/pipelines/{run}/checkpoint", dependencies=[READ], responses=UNKNOWN)
def read_checkpoint(service: ProjectService, run: str) -> dict[str, JsonValue]:
    """Show the checkpoint of a run as it would be written now: its state after the last event."""
    return state_to_record(_state(service, run))


@part.get("/pipelines/{run}/context", dependencies=[READ], responses=UNKNOWN)
def read_context(service: ProjectService, run: str) -> dict[str, JsonValue]:
    """Show the context of a run: the values that its stages share, by key."""
    progress = _state(service, run).progress
    blobs = Blobs(service.root(run))
    if progress is None:
        return {}
    return {key: resolve_reference(value, blobs) for key, value in progress.context.items()}


def _state(service: Service, run: str) -> RunState:
    directory = RunDirectory(service.root(run))
    return open_journal(directory.events, directory.checkpoint).state
