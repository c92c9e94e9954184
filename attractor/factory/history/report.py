"""Economics of runs: cost, tokens and time by pipeline and model, and by stage and trial of a run.

The figures come from the index, and are for information: no verdict depends on them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, parse_json
from attractor.engine.journal.events import PipelineStarted, StageCompleted, StageFailed, read_event
from attractor.engine.journal.reader import events_of
from attractor.engine.outcome import NOTHING_USED, Usage, usage_figures, usage_from_record
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import StatusWord
from attractor.engine.storage.json_files import Fields, read_known
from attractor.factory.gate_records import VerdictCost
from attractor.factory.history.index import RunIndex
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.records.summary import RunOverview
from attractor.scenarios.findings import ChangeReading

GO = "gate: go"


@dataclass(frozen=True)
class TrialFigures:
    """A trial of a finished evaluation, with the usage of its judge."""

    scenario: str
    number: int
    satisfied: bool
    seconds: float
    cost_usd: float
    tokens: int
    unpriced_tokens: int = 0
    processor_seconds: float = 0.0

    @property
    def usage(self) -> Usage:
        """The usage of the judge."""
        return _usage(self.cost_usd, self.tokens, self.unpriced_tokens)

    def to_record(self) -> dict[str, Json]:
        """Return the figures as a JSON object; the scenario has its opaque name."""
        return {**vars(self), "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class RunFigures:
    """The figures of a run; `is_go` is None if the run was not evaluated.

    `readings` is the usage of the readers of the change.

    The usage and time in the summary are the run's own, without those of a run that it continues.
    """

    summary: RunOverview
    models: str
    wall_seconds: float
    is_go: bool | None
    trials: Sequence[TrialFigures] = ()
    readings: Usage = NOTHING_USED

    @property
    def flaky(self) -> set[str]:
        """The scenarios of which some trials were satisfied, and others were not."""
        verdicts: dict[str, set[bool]] = {}
        for trial in self.trials:
            verdicts.setdefault(trial.scenario, set()).add(trial.satisfied)
        return {name for name, found in verdicts.items() if len(found) > 1}


@dataclass(frozen=True)
class GroupFigures:
    """The figures of the runs of a pipeline with the same models."""

    pipeline: str
    models: str
    runs: Sequence[RunFigures]

    @property
    def approved(self) -> int:
        """The number of approved runs."""
        return sum(run.summary.status == StatusWord.APPROVED for run in self.runs)

    @property
    def usage(self) -> Usage:
        """The usage of all stages, trials and readers."""
        trials = (trial.usage for run in self.runs for trial in run.trials)
        others = (run.summary.usage + run.readings for run in self.runs)
        return sum((*trials, *others), NOTHING_USED)

    @property
    def cost_per_approved(self) -> float | None:
        """The cost of all runs, divided by the number of approved runs."""
        return self.usage.cost_usd / self.approved if self.approved else None

    @property
    def go_rate(self) -> float | None:
        """The share of the evaluated runs for which the gate said go."""
        verdicts = [run.is_go for run in self.runs if run.is_go is not None]
        return sum(verdicts) / len(verdicts) if verdicts else None

    @property
    def satisfaction(self) -> float | None:
        """The share of satisfied trials."""
        trials = [trial.satisfied for run in self.runs for trial in run.trials]
        return sum(trials) / len(trials) if trials else None

    @property
    def flaky(self) -> Mapping[str, int]:
        """The number of runs in which each scenario was flaky."""
        return Counter(name for run in self.runs for name in sorted(run.flaky))

    def to_record(self) -> dict[str, Json]:
        """Return the figures as a JSON object."""
        per_approved, usage = self.cost_per_approved, self.usage
        return {
            "pipeline": self.pipeline,
            "models": self.models,
            "runs": len(self.runs),
            "evaluated": sum(run.is_go is not None for run in self.runs),
            "approved": self.approved,
            "go_rate": _rounded(self.go_rate),
            "satisfaction": _rounded(self.satisfaction),
            "cost_usd": round(usage.cost_usd, 6),
            "cost_per_approved_usd": None if per_approved is None else round(per_approved, 6),
            "tokens": usage.tokens,
            "unpriced_tokens": usage.unpriced_tokens,
            "agent_seconds": round(sum(run.summary.seconds for run in self.runs), 3),
            "wall_seconds": round(sum(run.wall_seconds for run in self.runs), 3),
            "trial_seconds": round(sum(t.seconds for run in self.runs for t in run.trials), 3),
            "trial_processor_seconds": round(
                sum(t.processor_seconds for run in self.runs for t in run.trials), 3
            ),
            "flaky": dict(self.flaky),
        }


def _usage(cost_usd: float, tokens: int, unpriced_tokens: int) -> Usage:
    return Usage(output_tokens=tokens, cost_usd=cost_usd, unpriced_tokens=unpriced_tokens)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)


def read_groups(index: RunIndex, folder: Path, since: str) -> list[GroupFigures]:
    """Return the figures of the runs of a folder since a time, by pipeline and models."""
    groups: dict[tuple[str, str], list[RunFigures]] = {}
    for run in _read_runs(index, folder, since):
        groups.setdefault((run.summary.pipeline, run.models), []).append(run)
    return [GroupFigures(*names, runs) for names, runs in sorted(groups.items())]


def _read_runs(index: RunIndex, folder: Path, since: str) -> list[RunFigures]:
    with index.reading(folder) as db:
        where, values = "folder = ? AND started >= ?", [str(folder), since]
        lines: dict[str, list[tuple[str, Fields]]] = {}
        sql = (
            "SELECT run_id, kind, data FROM ledger WHERE kind IN (?, ?) AND run_id IN "
            f"(SELECT run_id FROM runs WHERE {where}) ORDER BY seq"
        )
        for run_id, kind, data in db.execute(sql, [LineKind.EVALUATED, LineKind.DECIDED, *values]):
            lines.setdefault(run_id, []).append((kind, Fields(parse_json(data), kind)))
        sql = f"SELECT summary, models, wall_seconds FROM runs WHERE {where} ORDER BY directory"
        found: list[RunFigures] = []
        for text, models, wall in db.execute(sql, values):
            summary = RunOverview.from_record(Fields(parse_json(text), "summary").all())
            summary = without_inherited(summary)
            own = lines.get(summary.run_id, [])
            decided = [
                one.inner("gate").flag("go") for kind, one in own if kind == LineKind.DECIDED
            ]
            if not any(kind == LineKind.EVALUATED for kind, _ in own):
                is_go = None
            else:
                is_go = decided[-1] if decided else summary.reason == GO
            found.append(RunFigures(summary, models, wall, is_go, _trials(own), _readings(own)))
        return found


def without_inherited(summary: RunOverview) -> RunOverview:
    """Return the summary of a run without the usage and time of the run that it continues."""
    if not summary.parent or summary.trouble:
        return summary
    journal = RunDirectory(summary.directory).events
    started = next(events_of(journal, (PipelineStarted.__name__,)))
    before = Fields(started.data, started.type).inner("progress")
    return replace(
        summary,
        usage=summary.usage - usage_from_record(before.inner("usage")),
        seconds=summary.seconds - before.real("seconds"),
    )


@dataclass(frozen=True)
class DayCosts:
    """The cost of the runs of a pipeline with the same models that started on one day (UTC).

    `cost_usd`, `tokens` and `unpriced_tokens` include trials and readers, whose own cost is
    `trials_usd`, without that of `trials_unpriced_tokens`.
    """

    day: str
    pipeline: str
    models: str
    runs: int
    cost_usd: float
    tokens: int
    trials_usd: float = 0.0
    unpriced_tokens: int = 0
    trials_unpriced_tokens: int = 0

    @property
    def usage(self) -> Usage:
        """The usage of stages and trials."""
        return _usage(self.cost_usd, self.tokens, self.unpriced_tokens)

    @property
    def trials_usage(self) -> Usage:
        """The cost of trials."""
        return _usage(self.trials_usd, 0, self.trials_unpriced_tokens)

    def to_record(self) -> dict[str, Json]:
        """Return the costs as a JSON object."""
        rounded = {"cost_usd": round(self.cost_usd, 6), "trials_usd": round(self.trials_usd, 6)}
        return {**vars(self), **rounded}


_DAYS = """
WITH found AS (
    SELECT run_id, substr(started, 1, 10) AS day, pipeline, models, cost_usd, tokens,
        unpriced
    FROM runs WHERE folder = :folder AND started >= :since AND run_id <> :without
), judged AS (
    SELECT run_id, sum(json_extract(trial.value, '$.cost_usd')) AS cost_usd,
        sum(json_extract(trial.value, '$.tokens')) AS tokens,
        sum(json_extract(trial.value, '$.unpriced_tokens')) AS unpriced
    FROM ledger, json_each(json_insert(
        json_extract(ledger.data, '$.trials'), '$[#]', json_extract(ledger.data, '$.reading')
    )) AS trial
    WHERE kind = :evaluated AND time >= :since GROUP BY run_id
)
SELECT day, pipeline, models, count(*),
    sum(found.cost_usd + ifnull(judged.cost_usd, 0)),
    sum(found.tokens + ifnull(judged.tokens, 0)),
    sum(ifnull(judged.cost_usd, 0)),
    sum(found.unpriced + ifnull(judged.unpriced, 0)),
    sum(ifnull(judged.unpriced, 0))
FROM found LEFT JOIN judged USING (run_id) GROUP BY day, pipeline, models ORDER BY 1, 2, 3
"""

_LINKED = """
SELECT substr(started, 1, 10), pipeline, models, summary
FROM runs WHERE folder = :folder AND started >= :since AND run_id <> :without AND parent <> ''
"""


def read_costs(index: RunIndex, folder: Path, since: str, *, without: str = "") -> list[DayCosts]:
    """Return the costs of the runs of a folder since a time, by day, pipeline and models.

    `without` is the id of a run that is left out.
    """
    values = {"folder": str(folder), "since": since, "without": without}
    values["evaluated"] = LineKind.EVALUATED
    with index.reading(folder) as db:
        costs = [DayCosts(*row) for row in db.execute(_DAYS, values)]
        inherited: dict[tuple[str, ...], Usage] = {}
        for day, pipeline, models, text in db.execute(_LINKED, values):
            summary = RunOverview.from_record(Fields(parse_json(text), "summary").all())
            key, own = (day, pipeline, models), without_inherited(summary).usage
            inherited[key] = inherited.get(key, NOTHING_USED) + (summary.usage - own)
    return [
        replace(
            cost,
            cost_usd=cost.cost_usd - more.cost_usd,
            tokens=cost.tokens - more.tokens,
            unpriced_tokens=cost.unpriced_tokens - more.unpriced_tokens,
        )
        for cost in costs
        for more in [inherited.get((cost.day, cost.pipeline, cost.models), NOTHING_USED)]
    ]


def _trials(lines: Iterable[tuple[str, Fields]]) -> list[TrialFigures]:
    """Return the trials of all finished evaluations of a run."""
    return [
        TrialFigures(
            inner.text("scenario"),
            inner.number("trial"),
            inner.flag("satisfied"),
            inner.number("duration_ms") / 1000,
            inner.real("cost_usd"),
            inner.number("tokens"),
            inner.number("unpriced_tokens") if inner.has("unpriced_tokens") else 0,
            inner.number("processor_ms") / 1000 if inner.has("processor_ms") else 0.0,
        )
        for kind, fields in lines
        if kind == LineKind.EVALUATED
        for inner in fields.inners("trials")
    ]


def _readings(lines: Iterable[tuple[str, Fields]]) -> Usage:
    """Return the usage of the readers in all finished evaluations of a run."""
    found = [
        fields.inner("reading").whole(ChangeReading).usage
        for kind, fields in lines
        if kind == LineKind.EVALUATED and fields.has("reading")
    ]
    return sum(found, NOTHING_USED)


@dataclass(frozen=True)
class StageFigures:
    """The attempts of a node: their number, time and usage."""

    node: str
    attempts: int = 0
    seconds: float = 0.0
    usage: Usage = field(default=NOTHING_USED)

    def to_record(self) -> dict[str, Json]:
        """Return the figures as a JSON object."""
        return {
            "node": self.node,
            "attempts": self.attempts,
            "seconds": round(self.seconds, 3),
            **usage_figures(self.usage),
        }


def read_stages(root: Path) -> list[StageFigures]:
    """Return the figures of the nodes of a run, in the order of their first attempts."""
    found: dict[str, StageFigures] = {}
    for event in events_of(RunDirectory(root).events, ("StageCompleted", "StageFailed")):
        node, ended = event.node or "", read_event(event)
        assert isinstance(ended, StageCompleted | StageFailed)
        before = found.get(node, StageFigures(node))
        found[node] = StageFigures(
            node,
            before.attempts + 1,
            before.seconds + ended.duration,
            before.usage + read_known(Usage, ended.usage or {}),
        )
    return list(found.values())


def trials_in(entries: Iterable[LedgerEntry]) -> list[TrialFigures]:
    """Return the trials of the finished evaluations among the lines of a run."""
    return _trials((entry.kind, Fields(entry.data, entry.kind)) for entry in entries)


def verdict_cost(entries: Iterable[LedgerEntry]) -> VerdictCost:
    """Return the cost of the finished evaluations among the lines of a run."""
    entries = [*entries]
    trials = trials_in(entries)
    readings = _readings((entry.kind, Fields(entry.data, entry.kind)) for entry in entries)
    return VerdictCost(
        len(trials),
        sum(one.seconds for one in trials),
        sum(one.processor_seconds for one in trials),
        sum((one.usage for one in trials), readings),
    )
