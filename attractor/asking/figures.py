"""The closed table of figures: name, parameters, unit, sentence, and the function behind it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from attractor.asking.inquiry import Inquiry
from attractor.asking.statements import Computed
from attractor.base.dataclasses import dataclass
from attractor.base.durations import parse_since
from attractor.base.errors import UnknownName, UsageError
from attractor.base.json import Json
from attractor.engine.outcome import Usage
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.history.index import LineQuery, RunQuery
from attractor.factory.history.report import read_costs, read_groups
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.promotion_queue import PromotionQueues
from attractor.missions.records import find_mission
from attractor.missions.report import report_of
from attractor.pipeline.status import require_known_status
from attractor.records.diagnosis.diagnose import diagnose

NAME = "name"
"""The key of a query that names its figure; the other keys are its parameters."""

Given = Mapping[str, str]


@dataclass(frozen=True)
class FigureRow:
    """A figure of the table; `sentence` is a format of its value and its parameters."""

    parameters: tuple[str, ...]
    unit: str
    sentence: str
    compute: Callable[[Inquiry, Given], float]
    decimals: int | None = None


PARAMETERS: Mapping[str, str] = {
    "run": "the id of a run, or a unique beginning of it",
    "state": "a status of runs, such as failed, executing, approved or 'needs you'",
    "pipeline": "the name of a pipeline",
    "since": "a time such as 2026-01-31, or a duration before now such as 7d",
    "suite": "a suite, with or without @VERSION",
    "result": "go or no-go",
    "verdict": "approved or rejected",
    "branch": "the target branch of a queue of promotions",
    "mission": "the name of a mission",
    "status": "a status of tasks, such as landed, waiting, in work or given up",
}


def _runs(inquiry: Inquiry, query: RunQuery) -> int:
    return inquiry.index.count(inquiry.runs_dir, query)


def _runs_by_state(inquiry: Inquiry, given: Given) -> float:
    require_known_status(given["state"])
    return _runs(inquiry, RunQuery(status=given["state"], before=inquiry.run_id))


def _runs_of_pipeline(inquiry: Inquiry, given: Given) -> float:
    return _runs(inquiry, RunQuery(pipeline=given["pipeline"], before=inquiry.run_id))


def _runs_since(inquiry: Inquiry, given: Given) -> float:
    return _runs(inquiry, RunQuery(since=_since(inquiry, given), before=inquiry.run_id))


def _began(inquiry: Inquiry, given: Given) -> datetime:
    return parse_since(given["since"], inquiry.now, name="since").astimezone(UTC)


def _since(inquiry: Inquiry, given: Given) -> str:
    return _began(inquiry, given).isoformat()


def _usage(inquiry: Inquiry, given: Given) -> Usage:
    return inquiry.overview(given["run"]).usage


def _cost_since(inquiry: Inquiry, given: Given) -> float:
    costs = read_costs(
        inquiry.index, inquiry.runs_dir, _since(inquiry, given), without=inquiry.run_id
    )
    return sum(one.cost_usd for one in costs)


def _attempts(inquiry: Inquiry, given: Given) -> float:
    version = inquiry.opened.suites.versions.find(given["suite"])
    return Evaluator(inquiry.opened).count_attempts(version.pinned)


def _failures(inquiry: Inquiry, given: Given) -> float:
    found = diagnose(inquiry.find(given["run"]), reference=given["run"], now=inquiry.now)
    return len(found.case.history.failures)


def _oldest_wait(inquiry: Inquiry, given: Given) -> float:
    rows = inquiry.attention.rows
    return (inquiry.now - rows[0].since).total_seconds() if rows else 0.0


def _verdicts(inquiry: Inquiry, given: Given) -> float:
    _require("result", given["result"], ("go", "no-go"))
    groups = read_groups(inquiry.index, inquiry.runs_dir, _since(inquiry, given))
    is_go = given["result"] == "go"
    return sum(run.is_go is is_go for group in groups for run in group.runs)


def _decisions(inquiry: Inquiry, given: Given) -> float:
    _require("verdict", given["verdict"], ("approved", "rejected"))
    began = _began(inquiry, given)
    query = LineQuery(inquiry.opened.identity.project_id(), kind=LineKind.DECIDED)
    lines = inquiry.index.lines(inquiry.runs_dir, query)
    return sum(one.data.get("verdict") == given["verdict"] for one in lines if one.moment >= began)


def _queue_length(inquiry: Inquiry, given: Given) -> float:
    return len(PromotionQueues.of(inquiry.opened).read(given["branch"]).waiting)


def _fleet_runs(inquiry: Inquiry, given: Given) -> float:
    _require("state", given["state"], ("running", "queued", "parked"))
    return sum(one.run.state == given["state"] for one in inquiry.fleet())


def _tasks(inquiry: Inquiry, given: Given) -> float:
    report = report_of(find_mission(given["mission"], inquiry.opened), inquiry.opened)
    _require("status", given["status"], _TASKS)
    return sum(task.status == given["status"] for task in report.tasks)


_TASKS = ("landed", "given up", "left to a person", "in work", "returned", "waiting")


def _mission_cost(inquiry: Inquiry, given: Given) -> float:
    return report_of(find_mission(given["mission"], inquiry.opened), inquiry.opened).cost_usd


def _require(parameter: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UnknownName(parameter, value, known)


_USD, _S = 2, 0
FIGURES: Mapping[str, FigureRow] = {
    "runs_by_state": FigureRow(
        ("state",), "runs", "runs of this project that are {state}: {value}", _runs_by_state
    ),
    "runs_of_pipeline": FigureRow(
        ("pipeline",), "runs", "runs of the pipeline {pipeline}: {value}", _runs_of_pipeline
    ),
    "runs_since": FigureRow(
        ("since",), "runs", "runs that started since {since}: {value}", _runs_since
    ),
    "cost_of_run": FigureRow(
        ("run",),
        "USD",
        "known cost of the stages of run {run}: ${value}",
        lambda inquiry, given: _usage(inquiry, given).cost_usd,
        _USD,
    ),
    "tokens_of_run": FigureRow(
        ("run",),
        "tokens",
        "tokens that run {run} used: {value}",
        lambda inquiry, given: _usage(inquiry, given).tokens,
    ),
    "seconds_of_run": FigureRow(
        ("run",),
        "s",
        "seconds that the stages of run {run} worked: {value}",
        lambda inquiry, given: inquiry.overview(given["run"]).seconds,
        _S,
    ),
    "failed_attempts_of_run": FigureRow(
        ("run",), "attempts", "failed attempts of stages in run {run}: {value}", _failures
    ),
    "cost_since": FigureRow(
        ("since",),
        "USD",
        "known cost of the runs that started since {since}: ${value}",
        _cost_since,
        _USD,
    ),
    "attempts_of_version": FigureRow(
        ("suite",), "attempts", "trees that the suite {suite} evaluated: {value}", _attempts
    ),
    "verdicts_by_result": FigureRow(
        ("result", "since"),
        "runs",
        "runs since {since} whose last verdict is {result}: {value}",
        _verdicts,
    ),
    "decisions_since": FigureRow(
        ("verdict", "since"),
        "decisions",
        "decisions since {since} with the verdict {verdict}: {value}",
        _decisions,
    ),
    "waiting_rows": FigureRow(
        (),
        "rows",
        "things that wait for a person: {value}",
        lambda inquiry, given: len(inquiry.attention.rows),
    ),
    "oldest_wait": FigureRow(
        (), "s", "seconds for which the oldest of these has waited: {value}", _oldest_wait, _S
    ),
    "queue_length": FigureRow(
        ("branch",), "runs", "approved runs that wait to land on {branch}: {value}", _queue_length
    ),
    "fleet_runs": FigureRow(
        ("state",), "runs", "runs of the fleet that are {state}: {value}", _fleet_runs
    ),
    "tasks_of_mission": FigureRow(
        ("mission", "status"), "tasks", "tasks of {mission} that are {status}: {value}", _tasks
    ),
    "cost_of_mission": FigureRow(
        ("mission",), "USD", "known cost of the mission {mission}: ${value}", _mission_cost, _USD
    ),
}


def compute(inquiry: Inquiry, query: Given) -> Computed:
    """Compute a figure of the table; refuse an unknown one, and other parameters than its own."""
    name = query.get(NAME, "")
    if name not in FIGURES:
        raise UnknownName("figure", name, FIGURES)
    row, given = FIGURES[name], {key: query[key] for key in query if key != NAME}
    if given.keys() != {*row.parameters}:
        needed = ", ".join(row.parameters) or "none"
        raise UsageError(f"wrong parameters of the figure {name}", hint=f"its parameters: {needed}")
    value = row.compute(inquiry, given)
    places = row.decimals or 0
    shown = {**given, "value": f"{value:.{places}f}"}
    if "since" in given:
        shown["since"] = f"{_began(inquiry, given):%Y-%m-%d %H:%M} UTC"
    words = row.sentence.format_map(shown)
    return Computed(value, row.unit, inquiry.redactor.text(words), row.decimals)


def table_lines() -> Iterator[str]:
    """Yield a line about each figure, for the model."""
    for name, row in FIGURES.items():
        yield f"{name}({', '.join(row.parameters)}): {row.sentence} ({row.unit})"


def query_schema() -> dict[str, Json]:
    """Return the JSON schema of a query."""
    names: dict[str, Json] = {NAME: {"type": "string", "enum": [*FIGURES]}}
    texts: dict[str, Json] = {
        key: {"type": "string", "description": words} for key, words in PARAMETERS.items()
    }
    return {"type": "object", "properties": {**names, **texts}, "additionalProperties": False}
