"""What the page of the fleet, its record and the page of a run show, as the rows are now."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import AttractorError, UnknownName
from attractor.fleet.decisions import demand_of
from attractor.fleet.dispatch.dispatch import COPIES
from attractor.fleet.errors import UnknownRun
from attractor.fleet.records import AttemptRow, Demand, FleetRun, ReasonKind, RowState, Worker
from attractor.fleet.views.overview import (
    OPEN,
    ExplainedRun,
    PoolView,
    WorkerView,
    demand_lines,
    events_in,
    explain,
    find_row,
    metric_lines,
    view_pools,
    view_workers,
)
from attractor.records.event_lines import describe_logged
from attractor.server.fleet.connection import FleetConnection

if TYPE_CHECKING:
    # It loads the database, which belongs to an extra.
    from attractor.fleet.fleet import Fleet

MOST_SHOWN = 100
MOST_UNCOMMITTED = 20
_WAITING = (RowState.QUEUED, RowState.PARKED)
_RESUMED = (ReasonKind.BUDGET, ReasonKind.PAUSED, ReasonKind.POISON, ReasonKind.LIMIT)


@dataclass(frozen=True)
class FleetView:
    """A fleet: its runs, the first ones that wait and all that a worker executes, and the rest.

    `more` is the number of further runs that wait. `is_there` is False on a machine without a
    fleet. `faults` say what does not answer, and which runs the server cannot bring here.
    """

    is_there: bool
    database: str = ""
    store: str = ""
    faults: Sequence[str] = ()
    waiting: Sequence[ExplainedRun] = ()
    more: int = 0
    running: Sequence[ExplainedRun] = ()
    workers: Sequence[WorkerView] = ()
    pools: Sequence[PoolView] = ()
    demand: Sequence[Demand] = ()


def read_fleet(
    connection: FleetConnection, reaches: Callable[[str], bool], *, is_whole: bool
) -> FleetView:
    """Return the fleet, with the runs of projects that a caller may reach.

    `is_whole`: the caller reaches all projects.
    """
    if not connection.is_there:
        return FleetView(is_there=False)
    away = [f"the {fault.name} is away: {fault.words}" for fault in connection.away.values()]
    own = [
        f"{name}: {fault.words}"
        for name, fault in connection.faults.items()
        if is_whole or reaches(fault.project)
    ]
    faults = [*away, *own]
    if "database" in connection.away:
        return FleetView(is_there=True, faults=faults)
    try:
        read = partial(_read, reaches=reaches, is_whole=is_whole, faults=faults)
        return connection.read(read)
    except AttractorError as fault:
        return FleetView(is_there=True, faults=[*faults, fault.in_one_line])


async def _read(
    fleet: "Fleet", *, reaches: Callable[[str], bool], is_whole: bool, faults: Sequence[str]
) -> FleetView:
    runs = await read_open_runs(fleet, reaches, is_whole=is_whole)
    return FleetView(
        is_there=True,
        database=fleet.database.name,
        store=fleet.addresses.store,
        faults=faults,
        waiting=runs.waiting,
        more=runs.more,
        running=runs.running,
        workers=await view_workers(fleet),
        pools=await view_pools(fleet),
        demand=demand_of(await fleet.table.pools(), await fleet.table.counts(OPEN))
        # It names universes.
        if is_whole
        else (),
    )


@dataclass(frozen=True)
class OpenRuns:
    """Open runs: the first ones that wait, the number of further ones, and the executed ones."""

    waiting: Sequence[ExplainedRun]
    more: int
    running: Sequence[ExplainedRun]


async def read_open_runs(
    fleet: "Fleet", reaches: Callable[[str], bool], *, is_whole: bool, universe: str = ""
) -> OpenRuns:
    """Return the open runs of a universe (default: of all), as `read_fleet` does."""
    waiting = list[FleetRun]()
    more = 0
    counts = await fleet.table.counts(OPEN)
    for state in _WAITING:
        room = MOST_SHOWN - len(waiting)
        of_state = partial(fleet.table.runs, states=(state,), universe=universe)
        if is_whole:
            found = await of_state(limit=max(1, room))
            total = sum(
                count.number
                for count in counts
                if count.state is state and universe in ("", count.universe)
            )
        else:
            found = [run for run in await of_state() if reaches(run.project)]
            total = len(found)
        waiting += found[:room]
        more += max(0, total - room)
    running = await fleet.table.runs(states=(RowState.RUNNING,), universe=universe)
    reached = [run for run in running if reaches(run.project)]
    explained = await explain(fleet, [*waiting, *reached])
    if not is_whole:
        own = {run.run_id for run in waiting}
        # Runs of other projects are not named.
        explained = [one if one.front in own else changed(one, front="") for one in explained]
    stuck = [item for item in explained if item.run.state is RowState.RUNNING and item.reason]
    return OpenRuns([*stuck, *explained[: len(waiting)]], more, explained[len(waiting) :])


def changed_at(explained: ExplainedRun) -> datetime:
    """Return the time since when a run is as it is."""
    return at(explained.run.changed)


def at(seconds: float) -> datetime:
    """Return a time of the database, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def may_resume(explained: ExplainedRun) -> bool:
    """Return whether a person lets a run continue by a button, without anything else."""
    reason, is_parked = explained.reason, explained.run.state is RowState.PARKED
    return is_parked and reason is not None and reason.kind in _RESUMED


@dataclass(frozen=True)
class FleetRunView:
    """A run in the fleet, with its attempts; `names` are those of workers, by their ids."""

    explained: ExplainedRun
    attempts: Sequence[AttemptRow]
    names: dict[str, str]
    uncommitted: Sequence[str] = ()
    """The last events that its worker has not committed yet."""

    def name_of(self, worker: str) -> str:
        """Return the name of a worker; its id if its row is gone."""
        return self.names.get(worker, worker)


def read_run(connection: FleetConnection, run_id: str) -> FleetRunView | str | None:
    """Return a run in the fleet, why it cannot be read, or None for a run that never was there."""
    is_known = connection.has_evaluations or (connection.state / COPIES / f"{run_id}.json").exists()
    if not is_known or not connection.is_there:
        return None
    if away := connection.away.get("database"):
        return f"the database of the fleet is away: {away.words}"
    try:
        return connection.read(partial(_read_run, run_id))
    except UnknownRun:
        return None
    except AttractorError as fault:
        return fault.in_one_line


async def _read_run(run_id: str, fleet: "Fleet") -> FleetRunView:
    run = await find_row(fleet, run_id)
    if run is None:
        raise UnknownRun(f"the fleet has no run {run_id}")
    [explained] = await explain(fleet, [run])
    names = {worker.id: worker.name for worker in await fleet.table.workers()}
    tail = [describe_logged(event) for event in events_in(await fleet.tails.look(run_id))]
    uncommitted = [words for words in tail if words][-MOST_UNCOMMITTED:]
    return FleetRunView(explained, await fleet.table.attempts(run.run_id), names, uncommitted)


def known_pools(connection: FleetConnection) -> Sequence[str]:
    """Return the pools on which a run can be started; none without a fleet that answers."""
    if not connection.is_there:
        return (connection.pool,) if connection.takes_runs else ()
    if "database" in connection.away:
        return ()
    try:
        found = connection.read(view_pools)
    except AttractorError:
        return ()
    return sorted({connection.pool, *(pool.name for pool in found)})


def drain_worker(connection: FleetConnection, worker_id: str) -> Worker:
    """Let a worker take nothing new, and return it."""

    async def drain(fleet: "Fleet") -> Worker:
        workers = {worker.id: worker for worker in await fleet.table.workers()}
        if worker_id not in workers:
            raise UnknownName("worker", worker_id, workers)
        await fleet.table.drain(worker_id)
        return workers[worker_id]

    if not connection.is_there:
        raise UnknownName("worker", worker_id, [])
    return connection.read(drain)


def metrics_of(connection: FleetConnection) -> str:
    """Return the numbers of the fleet in the text format of Prometheus."""
    if not connection.is_there:
        return ""
    away, lines = {*connection.away}, list[str]()
    if "database" not in away:
        try:
            lines += connection.read(_metrics)
        except AttractorError:
            away.add("database")
    about = "Whether the database and the store of the fleet answer."
    up = [({"part": part}, float(part not in away)) for part in ("database", "store")]
    lines += metric_lines("attractor_fleet_up", about, up)
    return "\n".join(lines) + "\n"


async def _metrics(fleet: "Fleet") -> Sequence[str]:
    counts = await fleet.table.counts(OPEN)
    pools = await view_pools(fleet)
    waiting = Counter[str]()
    runs = await fleet.table.alike()
    explained = await explain(fleet, [run for run, _ in runs])
    for one, (_, number) in zip(explained, runs, strict=True):
        if one.reason:
            waiting[one.reason.kind.value] += number
    views = await view_workers(fleet)
    workers = Counter((view.worker.pool, view.status) for view in views)
    return [
        *demand_lines(demand_of(await fleet.table.pools(), counts)),
        *metric_lines(
            "attractor_fleet_running_runs",
            "Runs that workers execute.",
            [({"pool": pool.name}, pool.running) for pool in pools],
        ),
        *metric_lines(
            "attractor_fleet_waiting_runs",
            "Runs that wait, by the reason.",
            [({"reason": kind}, number) for kind, number in sorted(waiting.items())],
        ),
        *metric_lines(
            "attractor_fleet_workers",
            "Workers, by pool and status.",
            [
                ({"pool": pool, "status": status}, number)
                for (pool, status), number in sorted(workers.items())
            ],
        ),
    ]
