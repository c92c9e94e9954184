"""The processes that execute runs now."""

from fastapi import APIRouter

from attractor.factory.history.index import RunQuery
from attractor.records.workers import read_worker
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import READ, ProjectService

part = APIRouter(tags=["system"])


class WorkingStage(AnswerModel):
    """A stage that a process executes."""

    node: str
    visit: int
    attempt: int
    branch: str


class WorkerAnswer(AnswerModel):
    """A process that holds a run."""

    run_id: str
    pipeline: str
    goal: str
    status: str
    paused: bool
    pid: int | None
    host: str
    since: str | None
    purpose: str
    stages: list[WorkingStage]


@part.get("/api/v1/workers", dependencies=[READ])
def list_workers(service: ProjectService) -> list[WorkerAnswer]:
    """List the processes that execute runs, with their stages."""
    live = service.index.runs(service.project.runs_dir, RunQuery(is_live=True))
    return [WorkerAnswer.model_validate(read_worker(one).to_record()) for one in live]
