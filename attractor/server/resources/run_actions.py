"""The operator's actions on a run: pause, resume, cancel, steer, answer, fork, rewind and so on."""

from fastapi import APIRouter, Response

from attractor.pipeline.source.files import find_place
from attractor.server.access.callers import Caller
from attractor.server.http.problems import STARTED, problem_statuses
from attractor.server.http.scopes import OPERATE, Calling, ProjectService
from attractor.server.processes.bodies import (
    AS_BEFORE,
    NO_REASON,
    ONTO_MAIN,
    ForkBody,
    PickedAnswerBody,
    RebaseBody,
    ResumeBody,
    RewindBody,
    SteerBody,
    WhyBody,
)
from attractor.server.processes.run_processes import RunCommand
from attractor.server.run_actions import (
    ActionResult,
    StartedRun,
    answer_question,
    cancel_run,
    evaluate_again,
    name_of,
    pause_run,
    resume_walk,
    steer_run,
    walk,
)
from attractor.server.service import Service

PLACE = "/api/v1/runs/{run}"

part = APIRouter(prefix=PLACE, tags=["actions"], responses=problem_statuses(400, 404, 409))


@part.post("/pause", dependencies=[OPERATE])
def pause(
    service: ProjectService, caller: Calling, run: str, body: WhyBody = NO_REASON
) -> ActionResult:
    """Pause a run after its current stage; its process waits."""
    return pause_run(service, run, caller, body.why)


@part.post("/resume", dependencies=[OPERATE])
def resume(
    service: ProjectService, caller: Calling, run: str, body: ResumeBody = AS_BEFORE
) -> ActionResult:
    """Resume a paused process, or continue a stopped run in a new process."""
    return resume_walk(service, run, caller, body)


@part.post("/cancel", dependencies=[OPERATE])
def cancel(
    service: ProjectService, caller: Calling, run: str, body: WhyBody = NO_REASON
) -> ActionResult:
    """Cancel a run, with or without a process."""
    return cancel_run(service, run, caller, body.why)


@part.post("/steer", dependencies=[OPERATE])
def steer(service: ProjectService, caller: Calling, run: str, body: SteerBody) -> ActionResult:
    """Send a message to the running agents of a run."""
    return steer_run(service, run, caller, text=body.text, node=body.node, why=body.why)


@part.post("/answer", dependencies=[OPERATE])
def answer(
    service: ProjectService, caller: Calling, run: str, body: PickedAnswerBody
) -> ActionResult:
    """Answer a question; if no process holds the run, a new one continues it."""
    return answer_question(
        service, run, caller, answer=body.answer, question=body.question, why=body.why
    )


@part.post("/evaluate", dependencies=[OPERATE])
def evaluate(service: ProjectService, caller: Calling, run: str) -> ActionResult:
    """Evaluate a run in a new process, again or for the first time."""
    return evaluate_again(service, run, caller)


@part.post("/fork", dependencies=[OPERATE], status_code=201, responses=STARTED)
def fork(
    service: ProjectService, caller: Calling, run: str, body: ForkBody, response: Response
) -> StartedRun:
    """Start a new run from an earlier stage of a run; the old run is not changed."""
    return _new_run(service, caller, _located(service, body).command(_name(service, run)), response)


@part.post("/rewind", dependencies=[OPERATE], status_code=201, responses=STARTED)
def rewind(
    service: ProjectService, caller: Calling, run: str, body: RewindBody, response: Response
) -> StartedRun:
    """Cancel a run, and start a new run from an earlier stage."""
    return _new_run(service, caller, _located(service, body).command(_name(service, run)), response)


@part.post("/rebase", dependencies=[OPERATE], status_code=201, responses=STARTED)
def rebase(
    service: ProjectService,
    caller: Calling,
    run: str,
    response: Response,
    body: RebaseBody = ONTO_MAIN,
) -> StartedRun:
    """Merge the result of a run onto a branch that moved, in a new run that evaluates it."""
    return _new_run(service, caller, body.command(_name(service, run)), response)


def _name(service: Service, run: str) -> str:
    return name_of(service, service.root(run))


def _located(service: Service, body: ForkBody) -> ForkBody:
    """Return a body whose changed pipeline is a file of the project."""
    if not body.graph:
        return body
    file = find_place(service.project.root, body.graph)
    return body.model_copy(update={"graph": str(file)})


def _new_run(
    service: Service, caller: Caller, command: RunCommand, response: Response
) -> StartedRun:
    started = walk(service, command, caller)
    response.headers["location"] = started.links["self"]
    return started
