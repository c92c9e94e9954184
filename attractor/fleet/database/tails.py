"""The uncommitted ends of journals, for pages and commands that show a run now.

A worker writes the end of a journal only while it is looked at. It is what the worker says, and
proves nothing: it is shown to people, and never becomes a part of a run.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import exc

from attractor.fleet.database.database import Database
from attractor.fleet.database.run_rows import run_of
from attractor.fleet.database.schema import RUNS, TAILS
from attractor.fleet.records import FleetRun, RowState

WATCH_S = 10.0
"""A look counts for so long."""


class Tails:
    """The uncommitted ends of journals, at most one a run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self, run_id: str) -> str:
        """Return what the owner of a run has written since its last commit, and ask for more."""
        mine = TAILS.c.run_id == run_id

        def work(connection: sa.Connection, now: float) -> str:
            run = sa.select(RUNS.c.epoch, RUNS.c.seq).where(
                RUNS.c.run_id == run_id, RUNS.c.state == RowState.RUNNING
            )
            if (present := connection.execute(run).one_or_none()) is None:
                return ""
            watched = {"watched_until": now + WATCH_S}
            if not connection.execute(sa.update(TAILS).where(mine).values(watched)).rowcount:
                new = {"run_id": run_id, "epoch": 0, "seq": 0, "tail": "", **watched}
                connection.execute(sa.insert(TAILS).values(new))
            of_now = sa.and_(mine, TAILS.c.epoch == present.epoch, TAILS.c.seq == present.seq)
            return connection.scalar(sa.select(TAILS.c.tail).where(of_now)) or ""

        try:
            return await self._database.transact(work)
        except exc.IntegrityError:
            # Another one looked for the first time in this moment.
            return ""

    async def watched(self, worker: str) -> Sequence[FleetRun]:
        """Return the runs of a worker that are looked at."""

        def work(connection: sa.Connection, now: float) -> Sequence[FleetRun]:
            rows = sa.select(RUNS).join(TAILS, TAILS.c.run_id == RUNS.c.run_id)
            rows = rows.where(RUNS.c.owner == worker, TAILS.c.watched_until > now)
            return [run_of(row) for row in connection.execute(rows).mappings()]

        return await self._database.read(work)

    async def show(self, run: FleetRun, tail: str) -> None:
        """Replace what is shown of a run since its last commit."""
        values = {"epoch": run.epoch, "seq": run.seq, "tail": tail}
        await self._database.execute(
            sa.update(TAILS).where(TAILS.c.run_id == run.run_id).values(values)
        )
