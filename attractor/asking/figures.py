"""The closed table of figures: the rows are in `figures.toml`, the function of each is here."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from attractor.asking.inquiry import Inquiry
from attractor.asking.statements import Computed
from attractor.base.dataclasses import dataclass
from attractor.base.durations import parse_since
from attractor.base.errors import UnknownName, UsageError
from attractor.base.json import Json
from attractor.base.records import read_record
from attractor.base.toml import parse_toml
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.history.index import LineQuery, RunQuery
from attractor.factory.history.report import read_costs, read_groups
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.promotion_queue import PromotionQueues
from attractor.missions.records import find_mission
from attractor.missions.report import MissionReport, report_of
from attractor.pipeline.status import require_known_status
from attractor.records.diagnosis.diagnose import diagnose

NAME = "name"
"""The key of a query that names its figure; the other keys are its parameters."""

Given = Mapping[str, str]


@dataclass(frozen=True)
class FigureRow:
    """A row of the table; `sentence` is a format of the value and the parameters."""

    parameters: tuple[str, ...]
    unit: str
    sentence: str
    decimals: int | None = None


@dataclass(frozen=True)
class FigureTable:
    """The rows by name, and what each parameter is."""

    figures: Mapping[str, FigureRow]
    parameters: Mapping[str, str]


@cache
def read_table() -> FigureTable:
    """Return the table."""
    text = Path(__file__).with_suffix(".toml").read_text("utf-8")
    return read_record(FigureTable, parse_toml(text))


def _count(inquiry: Inquiry, **wanted: str) -> int:
    return inquiry.index.count(inquiry.runs_dir, RunQuery(**wanted, before=inquiry.run_id))  # pyright: ignore[reportArgumentType]


def _runs_by_state(inquiry: Inquiry, given: Given) -> float:
    require_known_status(given["state"])
    return _count(inquiry, status=given["state"])


def _began(inquiry: Inquiry, given: Given) -> datetime:
    return parse_since(given["since"], inquiry.now, name="since").astimezone(UTC)


def _since(inquiry: Inquiry, given: Given) -> str:
    return _began(inquiry, given).isoformat()


def _cost_since(inquiry: Inquiry, given: Given) -> float:
    began = _since(inquiry, given)
    costs = read_costs(inquiry.index, inquiry.runs_dir, began, without=inquiry.run_id)
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
    _require("result", given["result"], "go", "no-go")
    groups = read_groups(inquiry.index, inquiry.runs_dir, _since(inquiry, given))
    is_go = given["result"] == "go"
    return sum(run.is_go is is_go for group in groups for run in group.runs)


def _decisions(inquiry: Inquiry, given: Given) -> float:
    _require("verdict", given["verdict"], "approved", "rejected")
    began = _began(inquiry, given)
    query = LineQuery(inquiry.opened.identity.project_id(), kind=LineKind.DECIDED)
    lines = inquiry.index.lines(inquiry.runs_dir, query)
    return sum(one.data.get("verdict") == given["verdict"] for one in lines if one.moment >= began)


def _fleet_runs(inquiry: Inquiry, given: Given) -> float:
    _require("state", given["state"], "running", "queued", "parked")
    return sum(one.run.state == given["state"] for one in inquiry.fleet())


def _mission(inquiry: Inquiry, given: Given) -> MissionReport:
    return report_of(find_mission(given["mission"], inquiry.opened), inquiry.opened)


def _tasks(inquiry: Inquiry, given: Given) -> float:
    known = ("landed", "given up", "left to a person", "in work", "returned", "waiting")
    _require("status", given["status"], *known)
    return sum(task.status == given["status"] for task in _mission(inquiry, given).tasks)


def _require(parameter: str, value: str, *known: str) -> None:
    if value not in known:
        raise UnknownName(parameter, value, known)


FIGURES: Mapping[str, Callable[[Inquiry, Given], float]] = {
    "runs_by_state": _runs_by_state,
    "runs_of_pipeline": lambda inquiry, given: _count(inquiry, pipeline=given["pipeline"]),
    "runs_since": lambda inquiry, given: _count(inquiry, since=_since(inquiry, given)),
    "cost_of_run": lambda inquiry, given: inquiry.overview(given["run"]).usage.cost_usd,
    "tokens_of_run": lambda inquiry, given: inquiry.overview(given["run"]).usage.tokens,
    "seconds_of_run": lambda inquiry, given: inquiry.overview(given["run"]).seconds,
    "failed_attempts_of_run": _failures,
    "cost_since": _cost_since,
    "attempts_of_version": _attempts,
    "verdicts_by_result": _verdicts,
    "decisions_since": _decisions,
    "waiting_rows": lambda inquiry, given: len(inquiry.attention.rows),
    "oldest_wait": _oldest_wait,
    "queue_length": lambda inquiry, given: len(
        PromotionQueues.of(inquiry.opened).read(given["branch"]).waiting
    ),
    "fleet_runs": _fleet_runs,
    "tasks_of_mission": _tasks,
    "cost_of_mission": lambda inquiry, given: _mission(inquiry, given).cost_usd,
}
"""The function behind each row of the table."""


def compute(inquiry: Inquiry, query: Given) -> Computed:
    """Compute a figure of the table; refuse an unknown one, and other parameters than its own."""
    name = query.get(NAME, "")
    if name not in FIGURES:
        raise UnknownName("figure", name, FIGURES)
    row, given = read_table().figures[name], {key: query[key] for key in query if key != NAME}
    if given.keys() != {*row.parameters}:
        needed = ", ".join(row.parameters) or "none"
        raise UsageError(f"wrong parameters of the figure {name}", hint=f"its parameters: {needed}")
    value = FIGURES[name](inquiry, given)
    shown = {**given, "value": f"{value:.{row.decimals or 0}f}"}
    if "since" in given:
        shown["since"] = f"{_began(inquiry, given):%Y-%m-%d %H:%M} UTC"
    words = inquiry.redactor.text(row.sentence.format_map(shown))
    return Computed(value, row.unit, words, row.decimals)


def table_lines() -> Iterator[str]:
    """Yield a line about each figure, for the model."""
    for name, row in read_table().figures.items():
        yield f"{name}({', '.join(row.parameters)}): {row.sentence} ({row.unit})"


def query_schema() -> dict[str, Json]:
    """Return the JSON schema of a query."""
    names: dict[str, Json] = {NAME: {"type": "string", "enum": [*FIGURES]}}
    texts: dict[str, Json] = {
        key: {"type": "string", "description": words}
        for key, words in read_table().parameters.items()
    }
    return {"type": "object", "properties": {**names, **texts}, "additionalProperties": False}
