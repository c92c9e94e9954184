"""What a fleet does now, for people: runs with the reasons why they wait, workers and pools."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_age
from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.base.json import Json, parse_object
from attractor.base.names import find_named
from attractor.base.records import write_fields
from attractor.fleet.decisions import FULL, loads_of
from attractor.fleet.errors import BlobMissing
from attractor.fleet.records import (
    EVALUATE,
    HOME,
    Demand,
    FleetRun,
    Pool,
    QueuePlace,
    Reason,
    RowState,
    Worker,
    area_of,
)
from attractor.fleet.universes import by_universe
from attractor.fleet.views.reasons import in_words, is_alive, remedy, why, without_holders

if TYPE_CHECKING:
    # It loads the database, and most processes that show an overview need no fleet.
    from attractor.fleet.fleet import Fleet

OPEN = (RowState.RUNNING, RowState.QUEUED, RowState.PARKED)
"""The states of runs that have not ended, in the order of lists."""


@dataclass(frozen=True)
class ExplainedRun:
    """A run, why it does not run, and since when it is as it is, in seconds.

    `front` is the run of its queue that begins right before it.
    """

    run: FleetRun
    reason: Reason | None
    since_s: float
    front: str = ""

    @property
    def words(self) -> str:
        """The reason for people."""
        return in_words(self.reason) if self.reason else ""

    @property
    def command(self) -> str:
        """The command that changes the reason."""
        return remedy(self.reason, self.run) if self.reason else ""

    @property
    def is_damaged(self) -> bool:
        """Whether a worker could not read the head of the run."""
        return self.reason is not None and "damaged" in self.reason.details

    @property
    def age(self) -> str:
        """The time since when it is as it is."""
        return format_age(timedelta(seconds=self.since_s))

    def to_record(self) -> dict[str, Json]:
        """Return the run as JSON, with the command that changes its reason."""
        reason = self.reason
        explained: Json = reason and {
            "kind": reason.kind.value,
            "details": dict(reason.details),
            "words": self.words,
            "command": self.command,
        }
        return {
            **write_fields(self.run, reason="", queued_at="", held_from=""),
            "since_s": self.since_s,
            "reason": explained,
        }


async def explain(fleet: "Fleet", runs: Sequence[FleetRun]) -> Sequence[ExplainedRun]:
    """Return runs with their reasons, from what the rows say now."""
    now, workers = await fleet.table.now(), await fleet.table.workers()
    pools = await fleet.table.pools()
    loads = loads_of(pools, await fleet.table.counts((RowState.RUNNING,)))
    is_queued = any(run.state is RowState.QUEUED for run in runs)
    places: Mapping[str, QueuePlace] = await fleet.table.places() if is_queued else {}
    is_refused = any(run.reason is not None and run.reason.kind in FULL for run in runs)
    tenants = by_universe(await fleet.table.capped() if is_queued and is_refused else ())
    return [
        ExplainedRun(
            run,
            why(run, workers, loads, tenants.get(run.universe, ()), place.ahead, now),
            now - run.changed,
            place.front,
        )
        for run in runs
        for place in [places.get(run.run_id, QueuePlace())]
    ]


async def read_open(
    fleet: "Fleet",
    *,
    universe: str = "",
    pool: str = "",
    projects: Collection[str] = (),
    most: int = 0,
) -> tuple[Sequence[ExplainedRun], int]:
    """Return the runs that have not ended, and how many more there are than `most` (0: all).

    With `projects`, the runs of these projects only.
    """
    most = 0 if projects else most
    runs = list[FleetRun]()
    for state in OPEN:
        limit = most - len(runs) if most else 0
        if limit or not most:
            runs += await fleet.table.runs(
                states=(state,), universe=universe, pool=pool, limit=limit
            )
    if projects:
        return await explain(fleet, [run for run in runs if run.project in projects]), 0
    total = sum(
        count.number
        for count in await fleet.table.counts(OPEN)
        if universe in ("", count.universe) and pool in ("", count.pool)
    )
    return await explain(fleet, runs), max(0, total - len(runs))


async def find_row(fleet: "Fleet", run_id: str) -> FleetRun | None:
    """Return the row of a run; until workers have played its trials, the row of these."""
    for name in await fleet.table.beginning_with(f"{run_id}.", 1):
        trials = await fleet.table.run(name)
        if trials and trials.state is not RowState.ENDED:
            return trials
    return await fleet.table.run(run_id)


@dataclass(frozen=True)
class WorkerView:
    """A worker, its runs, and the seconds since its start and its last beat."""

    worker: Worker
    runs: tuple[str, ...]
    age_s: float
    silent_s: float
    is_alive: bool

    @property
    def status(self) -> str:
        """The status in a word."""
        if not self.is_alive:
            return "lost"
        return "draining" if self.worker.is_draining else "serving"

    def to_record(self) -> dict[str, Json]:
        """Return the worker as JSON."""
        return {**write_fields(self.worker), "status": self.status, **write_fields(self, worker="")}


async def view_workers(fleet: "Fleet") -> Sequence[WorkerView]:
    """Return the workers, each with what it executes."""
    now, running = await fleet.table.now(), await fleet.table.runs(states=(RowState.RUNNING,))
    return [
        WorkerView(
            worker,
            tuple(run.run_id for run in running if run.owner == worker.id),
            now - worker.began,
            now - worker.beat,
            is_alive(worker, now),
        )
        for worker in without_holders(await fleet.table.workers())
    ]


def find_worker(name: str, workers: Sequence[Worker]) -> Worker:
    """Return the worker with a name or an id, otherwise with the unique beginning of one."""
    return find_named("worker", name, workers, lambda worker: (worker.name, worker.id))


@dataclass(frozen=True)
class PoolView:
    """A pool: its limits (0 is no limit), its living workers, and its open runs."""

    name: str
    concurrency: int
    share: float
    workers: int
    slots: int
    running: int
    queued: int
    parked: int


async def view_pools(fleet: "Fleet") -> Sequence[PoolView]:
    """Return the pools that have limits, workers or runs."""
    limits = {pool.name: pool for pool in await fleet.table.pools()}
    now = await fleet.table.now()
    workers = without_holders(await fleet.table.workers())
    living = [worker for worker in workers if is_alive(worker, now)]
    runs: dict[str, Counter[RowState]] = {}
    for count in await fleet.table.counts(OPEN):
        runs.setdefault(count.pool, Counter())[count.state] += count.number
    names = sorted({*limits, *runs, *(worker.pool for worker in living)})
    return [
        PoolView(
            name,
            limits.get(name, Pool(name)).concurrency,
            limits.get(name, Pool(name)).share,
            sum(worker.pool == name for worker in living),
            sum(worker.slots for worker in living if worker.pool == name),
            *(runs.get(name, Counter[RowState]())[state] for state in OPEN),
        )
        for name in names
    ]


def events_in(tail: str) -> Sequence[Event]:
    """Return the events of the end of a journal, without what is no event."""
    found: list[Event] = []
    for line in tail.splitlines():
        record = parse_object(line)
        try:
            found += [Event.from_record(record)] if record else []
        except AttractorError:
            continue
    return found


DEMAND_LABELS = ("pool", "engine", "label", "universe")


def demand_lines(demand: Sequence[Demand]) -> Sequence[str]:
    """Return the demand for workers as a metric in the text format of Prometheus."""
    return metric_lines(
        "attractor_fleet_startable_runs",
        "Runs that would start on new workers.",
        [({name: getattr(row, name) for name in DEMAND_LABELS}, row.startable) for row in demand],
    )


async def fault_of_store(fleet: "Fleet") -> str:
    """Return why a store does not answer, also that of sealed suites; "" if they do."""
    for pool in ("", EVALUATE) if fleet.addresses.sealed else ("",):
        try:
            blobs = await fleet.blobs_of(area_of(HOME, pool))
            await blobs.get("0" * 64)
        except BlobMissing:
            continue
        except AttractorError as error:
            return error.in_one_line
    return ""


def metric_lines(
    name: str, about: str, rows: Iterable[tuple[Mapping[str, str], float]]
) -> Sequence[str]:
    """Return a gauge in the text format of Prometheus; rows are its labels and its value."""
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    for labels, value in rows:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{shown}}} {value:g}" if shown else f"{name} {value:g}")
    return lines


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
