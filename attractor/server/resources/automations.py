"""Automations over HTTP: list and show them, and start their runs."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field, JsonValue

from attractor.automations.automation import TriggerKind
from attractor.automations.errors import AutomationPaused, InvalidAutomation
from attractor.automations.records import automation_record
from attractor.automations.start import require_open_inputs
from attractor.automations.starts import MOST_PENDING, StartClaim
from attractor.automations.store import (
    AutomationFolder,
    find_automation,
    list_automations,
    verified,
)
from attractor.base.errors import AttractorError, UnknownName
from attractor.factory.operator_process import Scope
from attractor.server.access.callers import Caller
from attractor.server.automations import start_command
from attractor.server.errors import TooManyProcesses, TooManyStarts
from attractor.server.http.problems import STARTED, problem_statuses
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import READ, START, Calling, ProjectService, require_scope
from attractor.server.processes.bodies import Body
from attractor.server.run_actions import StartedRun, links_of
from attractor.server.service import Service

part = APIRouter(tags=["automations"], responses=problem_statuses(404, 409))

Name = Annotated[str, Path(max_length=200, description="The name of the automation.")]
STARTED_AS = "queued"


class AutomationAnswer(AnswerModel):
    """An automation, with its last starts."""

    model_config = ConfigDict(extra="allow")

    name: str
    pipeline: str
    is_paused: bool
    next: str | None = Field(description="The next start by its schedule.")
    inputs_schema: dict[str, JsonValue] = Field(
        alias="schema", description="The JSON schema of the inputs that a request may set."
    )


class AutomationRunBody(Body):
    """A run of an automation to start."""

    inputs: dict[str, JsonValue] = Field(
        default_factory=dict[str, JsonValue],
        max_length=100,
        description="Inputs, as the schema of the automation allows.",
    )


@part.get("/api/v1/automations", dependencies=[READ])
def list_all(service: ProjectService) -> list[AutomationAnswer]:
    """List the automations of a project."""
    state = service.project.machine.state_dir
    folders = list_automations(state, service.project_id)
    return [_answer(folder, service) for folder in folders]


@part.get("/api/v1/automations/{name}", dependencies=[READ])
def show_automation(service: ProjectService, name: Name) -> AutomationAnswer:
    """Show an automation, with the schema of its inputs and its last starts."""
    return _answer(_find(name, service), service)


def _answer(folder: AutomationFolder, service: Service) -> AutomationAnswer:
    record = automation_record(folder.read(), folder.starts.read(), service.opened.now())
    return AutomationAnswer.model_validate(record)


@part.post(
    "/api/v1/automations/{name}/runs",
    dependencies=[START],
    status_code=201,
    responses=problem_statuses(400) | STARTED,
)
def start_automation(
    service: ProjectService,
    caller: Calling,
    name: Name,
    body: AutomationRunBody,
    response: Response,
) -> StartedRun:
    """Start a run of an automation, with its token or one of the scope `operate`.

    If as many processes run as the server allows, or the process of the run fails, the run is
    `queued` under the id in the answer, and begins later.
    """
    folder = _find_for(caller, name, service)
    automation, starts = verified(folder, service.opened), folder.starts.read()
    if not automation.has_http:
        hint = "create it with --http"
        raise InvalidAutomation(f"requests do not start the automation {name}", hint=hint)
    require_open_inputs(automation, body.inputs, service.opened)
    inputs = automation.texts_of(body.inputs, service.project.redactor.text)
    if len(starts.pending) >= MOST_PENDING:
        raise TooManyStarts(f"{len(starts.pending)} starts of the automation {name} wait")
    run_id = service.project.machine.new_run_id()
    claim = starts.claim(TriggerKind.HTTP, run_id, lambda: run_id, service.opened.now(), inputs)
    if claim is None:
        raise AutomationPaused(name)
    status = _begin(folder, claim, service, by=caller.name)
    links = links_of(run_id)
    response.headers["location"] = links["self"]
    return StartedRun(id=run_id, status=status, links=links)


def _begin(folder: AutomationFolder, claim: StartClaim, service: Service, *, by: str) -> str:
    """Begin the run of a claim; return its status. A claim that stays open is carried out later."""
    try:
        service.processes.start(start_command(folder.name, claim), by=by)
    except TooManyProcesses:
        return STARTED_AS
    except AttractorError as error:
        start = folder.starts.read().find(claim.run_id)
        if start is None or (start.settled and start.fault):
            raise
        if start.settled is None:
            if start.failed is None:
                fault = service.project.redactor.text(error.in_one_line)
                folder.starts.note_failed_try(claim.run_id, service.opened.now(), fault)
            return STARTED_AS
    return "booting"


def _find_for(caller: Caller, name: str, service: Service) -> AutomationFolder:
    """Return the automation that a caller may start; a token of another one finds nothing."""
    if caller.scope is Scope.START and caller.automation != name:
        raise UnknownName("automation", name, [])
    if caller.scope is not Scope.START:
        require_scope(caller, Scope.OPERATE)
    return _find(name, service)


def _find(name: str, service: Service) -> AutomationFolder:
    """Return the automation with exactly this name: a token is for one."""
    folder = find_automation(name, service.opened)
    if folder.name != name:
        raise UnknownName("automation", name, [])
    return folder
