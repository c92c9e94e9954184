"""The cost of runs: by day, by pipeline and models, and of the stages and trials of one run."""

from fastapi import APIRouter
from pydantic import Field

from attractor.base.durations import parse_since
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.history.report import (
    DayCosts,
    TrialFigures,
    read_costs,
    read_groups,
    read_stages,
    trials_in,
    verdict_cost,
)
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel, Since
from attractor.server.http.scopes import READ, ProjectService
from attractor.server.service import Service

part = APIRouter(tags=["costs"], responses=problem_statuses(400, 404, 409))


class DayCostsAnswer(AnswerModel, of=DayCosts):
    """The cost of the runs of a pipeline with the same models that started on one day (UTC)."""

    cost_usd: float = Field(description="Of stages and trials.")
    unpriced_tokens: int = Field(description="The tokens of calls whose cost is unknown.")


class CostsAnswer(AnswerModel):
    """The cost of runs since a time, by day."""

    since: str
    days: list[DayCostsAnswer]


class GroupFiguresAnswer(AnswerModel):
    """The figures of the runs of a pipeline with the same models."""

    pipeline: str
    models: str
    runs: int
    evaluated: int
    approved: int
    go_rate: float | None
    satisfaction: float | None
    cost_usd: float
    cost_per_approved_usd: float | None
    tokens: int
    unpriced_tokens: int = Field(description="The tokens of calls whose cost is unknown.")
    agent_seconds: float
    wall_seconds: float
    trial_seconds: float
    trial_processor_seconds: float
    flaky: dict[str, int] = Field(description="By scenario: the runs in which it was flaky.")


class ReportAnswer(AnswerModel):
    """The figures of runs since a time, by pipeline and models."""

    since: str
    groups: list[GroupFiguresAnswer]


class StageFiguresAnswer(AnswerModel):
    """The attempts of a node: their number, time and usage."""

    node: str
    attempts: int
    seconds: float
    cost_usd: float
    input_tokens: int
    output_tokens: int
    unpriced_tokens: int = Field(description="The tokens of calls whose cost is unknown.")


class TrialFiguresAnswer(AnswerModel, of=TrialFigures):
    """A trial of a finished evaluation; the scenario has its opaque name."""

    unpriced_tokens: int = Field(description="The tokens of calls whose cost is unknown.")


class VerdictCostAnswer(AnswerModel):
    """The cost of all finished evaluations of a run, with the money of judge and reader."""

    trials: int
    seconds: float
    processor_seconds: float = Field(description="Of the programs that evaluations waited for.")
    judge_usd: float
    judge_unpriced_tokens: int


class RunCostsAnswer(AnswerModel):
    """The figures of the stages and trials of a run."""

    run_id: str
    stages: list[StageFiguresAnswer]
    trials: list[TrialFiguresAnswer]
    verdict: VerdictCostAnswer


@part.get("/api/v1/costs", dependencies=[READ])
def show_costs(service: ProjectService, since: Since = "30d") -> CostsAnswer:
    """Show the cost of runs by day, pipeline and models."""
    began = _moment(service, since)
    days = read_costs(service.index, service.project.runs_dir, began)
    answers = [DayCostsAnswer.model_validate(one.to_record()) for one in days]
    return CostsAnswer(since=began, days=answers)


@part.get("/api/v1/report", dependencies=[READ])
def show_report(service: ProjectService, since: Since = "30d") -> ReportAnswer:
    """Show cost, time and results of runs by pipeline and models."""
    began = _moment(service, since)
    groups = read_groups(service.index, service.project.runs_dir, began)
    answers = [GroupFiguresAnswer.model_validate(group.to_record()) for group in groups]
    return ReportAnswer(since=began, groups=answers)


@part.get("/api/v1/runs/{run}/costs", dependencies=[READ])
def show_run_costs(service: ProjectService, run: str) -> RunCostsAnswer:
    """Show attempts, time and cost of the stages of a run, and of its trials."""
    root = service.root(run)
    run_id = read_manifest(RunDirectory(root)).run_id
    entries = list(service.opened.ledger.entries(run_id))
    trials = trials_in(entries)
    return RunCostsAnswer(
        run_id=run_id,
        stages=[StageFiguresAnswer.model_validate(one.to_record()) for one in read_stages(root)],
        trials=[TrialFiguresAnswer.model_validate(trial.to_record()) for trial in trials],
        verdict=VerdictCostAnswer.model_validate(verdict_cost(entries).to_record()),
    )


def _moment(service: Service, since: str) -> str:
    return parse_since(since, service.project.machine.clock.now(), name="since").isoformat()
