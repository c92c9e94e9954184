"""Reads many rows at once: counts of runs, places in queues, pending attempts."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from attractor.fleet.database import Database
from attractor.fleet.decisions import CAPPED, FULL, HOLDER, STALE_S
from attractor.fleet.loads import RunCount
from attractor.fleet.queue import Queue
from attractor.fleet.records import AttemptRow, FleetRun, QueuePlace, RunState
from attractor.fleet.schema import RUNS, WORKERS
from attractor.fleet.table import run_of
from attractor.fleet.universe_rows import read_tenants, read_universes
from attractor.fleet.universes import Tenant


class Views:
    """Reads from the rows of a fleet what no single row says."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue

    async def counts(self, states: Collection[RunState] = tuple(RunState)) -> Sequence[RunCount]:
        """Count runs by kind."""

        def work(connection: sa.Connection, now: float) -> Sequence[RunCount]:
            living = sa.select(WORKERS.c.id).where(WORKERS.c.beat > now - STALE_S)
            is_running, is_held = RUNS.c.state == RunState.RUNNING, RUNS.c.owner.startswith(HOLDER)
            is_lost = sa.and_(is_running, ~is_held, RUNS.c.owner.not_in(living))
            is_due = sa.and_(
                RUNS.c.state == RunState.PARKED, RUNS.c.wake_at > 0, RUNS.c.wake_at <= now
            )
            is_queued = sa.and_(RUNS.c.state == RunState.QUEUED, RUNS.c.reason.not_in(CAPPED))
            could_start = sa.or_(is_queued, is_lost, is_due)
            kind = (RUNS.c.universe, RUNS.c.pool, RUNS.c.engine, RUNS.c.label, RUNS.c.state)
            marks = (
                sa.case((is_held, True), else_=False).label("is_held"),
                sa.case((sa.and_(could_start, ~RUNS.c.cancel), True), else_=False).label("starts"),
            )
            rows = sa.select(*kind, *marks, sa.func.count()).where(RUNS.c.state.in_(states))
            rows = rows.group_by(*kind, *(mark.name for mark in marks)).order_by(*kind)
            return [_count_of(row) for row in connection.execute(rows)]

        return await self._database.transact(work, is_reading=True)

    async def places(self) -> Mapping[str, QueuePlace]:
        """Return the place of each queued run in its queue.

        Runs without room in their pool are not in a queue.
        """
        queue: dict[str, Any] = {
            "partition_by": (RUNS.c.pool, RUNS.c.engine, RUNS.c.label),
            "order_by": (RUNS.c.priority, RUNS.c.queued_at, RUNS.c.run_id),
        }
        place = sa.func.row_number().over(**queue)
        front = sa.func.lag(RUNS.c.run_id, 1, "").over(**queue)
        rows = sa.select(RUNS.c.run_id, place - 1, front).where(
            RUNS.c.state == RunState.QUEUED, RUNS.c.reason.not_in(FULL)
        )
        return await self._database.transact(
            lambda connection, _: {
                name: QueuePlace(ahead, before) for name, ahead, before in connection.execute(rows)
            },
            is_reading=True,
        )

    async def changed_since(self, since: float, projects: Collection[str]) -> Sequence[FleetRun]:
        """Return the runs of some projects that changed after a time, oldest change first."""
        rows = sa.select(RUNS).where(RUNS.c.changed > since, RUNS.c.project.in_(projects))
        return await self._runs(rows.order_by(RUNS.c.changed, RUNS.c.run_id))

    async def alike(self) -> Sequence[tuple[FleetRun, int]]:
        """Return one of the waiting runs of each kind, and the number of runs of that kind.

        Runs of a kind wait for the same reason.
        """
        kind = (
            *(
                RUNS.c.project,
                RUNS.c.universe,
                RUNS.c.pool,
                RUNS.c.engine,
                RUNS.c.label,
                RUNS.c.state,
            ),
            *(RUNS.c.reason, sa.case((RUNS.c.wake_at > 0, True), else_=False)),
        )
        waiting = RUNS.c.state.in_((RunState.QUEUED, RunState.PARKED))
        counts = sa.select(sa.func.min(RUNS.c.run_id), sa.func.count()).where(waiting)
        rows = await self._database.transact(
            lambda connection, _: connection.execute(counts.group_by(*kind)).all(), is_reading=True
        )
        found = {str(row[0]): int(row[1]) for row in rows}
        runs = await self._runs(sa.select(RUNS).where(RUNS.c.run_id.in_(found)))
        return [(run, found[run.run_id]) for run in runs]

    async def tenants(self, universe: str) -> Sequence[Tenant]:
        """Return a universe and its worlds, by address."""
        return await self._database.transact(
            lambda connection, now: read_tenants(connection, now, universe), is_reading=True
        )

    async def universes(
        self, projects: Collection[str] = (), after: str = "", limit: int = 0
    ) -> Sequence[tuple[Tenant, int]]:
        """Return universes by name, each with the number of its worlds."""
        return await self._database.transact(
            lambda connection, now: read_universes(connection, now, projects, after, limit),
            is_reading=True,
        )

    async def attempts(self, run_id: str) -> Sequence[AttemptRow]:
        """Return the attempts of a run that the database still has, the first one first."""
        return await self._database.transact(
            lambda connection, _: self._queue.attempts(connection, run_id), is_reading=True
        )

    async def _runs(self, rows: sa.Select[Any]) -> Sequence[FleetRun]:
        return await self._database.transact(
            lambda connection, _: [run_of(row) for row in connection.execute(rows).mappings()],
            is_reading=True,
        )

    async def pending(self) -> Mapping[str, str]:
        """Return the attempts in the queue, each with its worker or an empty text."""
        return await self._database.transact(
            lambda connection, _: self._queue.pending(connection), is_reading=True
        )

    async def beginning_with(self, prefix: str, most: int) -> Sequence[str]:
        """Return the ids of runs that begin with a text: the first ones."""
        rows = sa.select(RUNS.c.run_id).where(RUNS.c.run_id.startswith(prefix, autoescape=True))
        return await self._database.transact(
            lambda connection, _: list(connection.scalars(rows.order_by("run_id").limit(most))),
            is_reading=True,
        )


def _count_of(row: Sequence[Any]) -> RunCount:
    universe, pool, engine, label, state, is_held, is_startable, number = row
    return RunCount(
        universe, pool, engine, label, RunState(state), bool(is_held), bool(is_startable), number
    )
