"""The fleet: what waits and why, workers, pools, and numbers for Prometheus and autoscalers."""

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import Field

from attractor.base.records import write_fields
from attractor.fleet.records import Demand
from attractor.fleet.views.overview import ExplainedRun, PoolView, WorkerView
from attractor.server.fleet.view import at, drain_worker, metrics_of, read_fleet
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel, JsonRecord
from attractor.server.http.scopes import ALL_PROJECTS, OPERATE, READ, Calling, ServerService

part = APIRouter(tags=["fleet"])


class ReasonAnswer(AnswerModel):
    """Why a run does not run."""

    kind: str
    details: JsonRecord
    words: str
    command: str = Field(description="The command that changes it.")


class FleetRunAnswer(AnswerModel):
    """A run of the fleet that has not ended."""

    run_id: str
    project: str
    universe: str
    pool: str
    engine: str
    label: str
    priority: int
    state: str
    since: datetime
    attempt: int
    epoch: int
    owner: str = Field(description="The id of the worker that executes it; empty without one.")
    front: str = Field(description="The run of its queue that begins right before it.")
    reason: ReasonAnswer | None

    @classmethod
    def of(cls, explained: ExplainedRun) -> "FleetRunAnswer":
        """Return the answer about a run."""
        run, reason = explained.run, explained.reason
        named = write_fields(run)
        return cls.model_validate(
            {
                **{name: named[name] for name in cls.model_fields if name in named},
                "since": at(run.changed),
                "front": explained.front,
                "reason": reason
                and {
                    "kind": reason.kind.value,
                    "details": dict(reason.details),
                    "words": explained.words,
                    "command": explained.command,
                },
            }
        )


class FleetWorkerAnswer(AnswerModel):
    """A worker of the fleet."""

    id: str
    name: str
    pool: str
    engine: str
    labels: list[str]
    slots: int
    used: int = Field(description="The number of runs that it executes.")
    status: str = Field(description="`serving`, `draining`, or `lost` without a beat for long.")
    began: datetime
    beat: datetime

    @classmethod
    def of(cls, view: WorkerView) -> "FleetWorkerAnswer":
        """Return the answer about a worker."""
        worker = view.worker
        return cls(
            id=worker.id,
            name=worker.name,
            pool=worker.pool,
            engine=worker.engine,
            labels=[*worker.labels],
            slots=worker.slots,
            used=len(view.runs),
            status=view.status,
            began=at(worker.began),
            beat=at(worker.beat),
        )


class FleetPoolAnswer(AnswerModel, of=PoolView):
    """A pool of the fleet; a concurrency of 0 is no limit."""


class DemandAnswer(AnswerModel, of=Demand):
    """Runs that would start on new workers."""


class FleetAnswer(AnswerModel):
    """The fleet; without one, everything is empty."""

    database: str
    store: str
    faults: list[str] = Field(description="What does not answer, or cannot be brought here.")
    waiting: list[FleetRunAnswer]
    more: int = Field(description="The number of further runs that wait.")
    running: list[FleetRunAnswer]
    workers: list[FleetWorkerAnswer]
    pools: list[FleetPoolAnswer]
    demand: list[DemandAnswer]


@part.get("/api/v1/fleet", dependencies=[READ])
def show_fleet(service: ServerService, caller: Calling) -> FleetAnswer:
    """Show what waits in the fleet and why, its workers, its pools, and the demand for workers."""
    view = read_fleet(service.fleet, caller.reaches, is_whole=not caller.projects)
    return FleetAnswer(
        database=view.database,
        store=view.store,
        faults=[*view.faults],
        waiting=[FleetRunAnswer.of(one) for one in view.waiting],
        more=view.more,
        running=[FleetRunAnswer.of(one) for one in view.running],
        workers=[FleetWorkerAnswer.of(one) for one in view.workers],
        pools=[FleetPoolAnswer.model_validate(write_fields(one)) for one in view.pools],
        demand=[DemandAnswer.model_validate(write_fields(one)) for one in view.demand],
    )


@part.post(
    "/api/v1/fleet/workers/{worker}/drain",
    status_code=204,
    dependencies=[OPERATE, ALL_PROJECTS],
    responses=problem_statuses(404),
)
def drain(service: ServerService, worker: str) -> None:
    """Let a worker, by its id, end its stages in flight, give its runs back and leave."""
    drain_worker(service.fleet, worker)


class Metrics(Response):
    """Numbers in the text format of Prometheus."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"


@part.get("/fleet/metrics", dependencies=[READ, ALL_PROJECTS], response_class=Metrics)
def show_metrics(service: ServerService) -> Response:
    """Show demand, running and waiting runs and workers in the text format of Prometheus."""
    return Metrics(metrics_of(service.fleet))
