"""What a test of the table needs beside the table: its queue, and a time that passes.

Another implementation of the table comes with a class like `SqlRig`, and its name in `RIGS`.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
import sqlalchemy as sa

from attractor.fleet.database import Database, open_database
from attractor.fleet.queue import Queue
from attractor.fleet.schema import LEASES, RUNS, WORKERS
from attractor.fleet.seams import Table
from attractor.fleet.table import SqlTable
from tests.fleet.postgres import Cluster

RIGS = ("sqlite", "postgres")


class Rig(Protocol):
    table: Table

    async def pending(self) -> Mapping[str, str]:
        """Return the attempts that have not ended, with the workers that dequeued them."""
        ...

    async def dequeue(self, attempt: str, worker: str) -> None:
        """Let a worker have an attempt, as a listener does."""
        ...

    async def finish(self, attempt: str) -> None:
        """Let an attempt end in the queue."""
        ...

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SqlRig:
    """A rig on a database of its own; time passes by making all that is stored older."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = Queue(database)
        self.table: Table = SqlTable(database, self.queue)

    async def pending(self) -> Mapping[str, str]:
        return await self.database.transact(lambda connection, _: self.queue.pending(connection))

    async def dequeue(self, attempt: str, worker: str) -> None:
        await self._set_attempt(attempt, status="PENDING", executor_id=worker)

    async def finish(self, attempt: str) -> None:
        await self._set_attempt(attempt, status="SUCCESS")

    async def pass_time(self, seconds: float) -> None:
        def work(connection: sa.Connection, _: float) -> None:
            times = (WORKERS.c.beat, WORKERS.c.began, LEASES.c.until, RUNS.c.queued_at)
            for time in times:
                connection.execute(sa.update(time.table).values({time: time - seconds}))
            wake_at = RUNS.c.wake_at
            connection.execute(
                sa.update(RUNS).where(wake_at > 0).values({wake_at: wake_at - seconds})
            )

        await self.database.transact(work)

    async def _set_attempt(self, attempt: str, **values: str) -> None:
        schema = "dbos" if self.database.engine.dialect.name == "postgresql" else None
        columns = [sa.column(name, sa.Text) for name in ("workflow_uuid", "status", "executor_id")]
        attempts = sa.table("workflow_status", *columns, schema=schema)
        changed = sa.update(attempts).where(attempts.c.workflow_uuid == attempt).values(**values)
        await self.database.transact(lambda connection, _: connection.execute(changed) and None)


@asynccontextmanager
async def sql_rig(url: str) -> AsyncGenerator[SqlRig]:
    database = await open_database(url)
    rig = SqlRig(database)
    try:
        yield rig
    finally:
        rig.queue.close()
        database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "template.db"
    asyncio.run(_make(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_template(cluster: Cluster) -> str:
    """The name of a database with all tables, which others are copied from."""
    url = cluster.new_database()
    asyncio.run(_make(url))
    return url.rpartition("/")[2]


async def _make(url: str) -> None:
    (await open_database(url)).close()


@pytest.fixture(params=RIGS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fleet's database that has all tables and no rows."""
    if request.param == "sqlite":
        path = tmp_path / "fleet.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    template: str = request.getfixturevalue("postgres_template")
    return request.getfixturevalue("cluster").new_database(template=template)


@pytest.fixture
async def rig(database_url: str) -> AsyncIterator[Rig]:
    async with sql_rig(database_url) as made:
        yield made
