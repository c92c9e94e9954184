"""What a test of the table needs beside the table: its queue, and a time that passes.

Another implementation of the table comes with a class like `SqlRig`, and its name in `RIGS`.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
import sqlalchemy as sa

from attractor.fleet.database.database import Database, open_database
from attractor.fleet.database.queue import Queue
from attractor.fleet.database.schema import HEADS, LEASES, RUNS, UNIVERSES, WORKERS
from attractor.fleet.database.table import SqlTable
from tests.fleet.postgres import Cluster
from tests.fleet.simulation.model import ModelTable

AnyTable = SqlTable | ModelTable
T = TypeVar("T")
DATABASES = ("sqlite", "postgres")
RIGS = (*DATABASES, "model")


class Rig(Protocol):
    @property
    def table(self) -> AnyTable: ...

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


class _StillDatabase(Database):
    """A database whose time only passes by a millisecond with each transaction."""

    _began = 0.0
    _looks = count()

    async def transact(
        self, work: Callable[[sa.Connection, float], T], *, is_reading: bool = False
    ) -> T:
        def at_rest(connection: sa.Connection, now: float) -> T:
            self._began = self._began or now
            return work(connection, self._began + next(self._looks) / 1000)

        return await super().transact(at_rest, is_reading=is_reading)


class SqlRig:
    """A rig on a database of its own; time passes by making all that is stored older."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = Queue(database)
        self.table = SqlTable(database, self.queue)
        texts = [sa.column(name, sa.Text) for name in ("workflow_uuid", "status", "executor_id")]
        times = [sa.column(name, sa.BigInteger) for name in ("started_at_epoch_ms", "created_at")]
        schema = "dbos" if database.engine.dialect.name == "postgresql" else None
        self._attempts = sa.table("workflow_status", *texts, *times, schema=schema)

    async def pending(self) -> Mapping[str, str]:
        return await self.database.transact(lambda connection, _: self.queue.pending(connection))

    async def dequeue(self, attempt: str, worker: str) -> None:
        now = int(await self.table.now() * 1000)
        values = {"status": "PENDING", "executor_id": worker, "started_at_epoch_ms": now}
        await self._set(self._attempts.c.workflow_uuid == attempt, values)

    async def finish(self, attempt: str) -> None:
        await self._set(self._attempts.c.workflow_uuid == attempt, {"status": "SUCCESS"})

    async def pass_time(self, seconds: float) -> None:
        def work(connection: sa.Connection, _: float) -> None:
            times = (
                WORKERS.c.beat,
                WORKERS.c.began,
                HEADS.c.committed,
                LEASES.c.until,
                RUNS.c.queued_at,
                RUNS.c.changed,
            )
            for time in times:
                connection.execute(sa.update(time.table).values({time: time - seconds}))
            wake_at = RUNS.c.wake_at
            connection.execute(
                sa.update(RUNS).where(wake_at > 0).values({wake_at: wake_at - seconds})
            )

        await self.database.transact(work)
        await self.database.transact(lambda connection, _: _make_older(connection, seconds))
        for time in (self._attempts.c.started_at_epoch_ms, self._attempts.c.created_at):
            await self._set(time > 0, {time.name: time - int(seconds * 1000)})

    async def _set(self, which: sa.ColumnElement[bool], values: Mapping[str, object]) -> None:
        changed = sa.update(self._attempts).where(which).values(**values)
        await self.database.transact(lambda connection, _: connection.execute(changed) and None)


def _make_older(connection: sa.Connection, seconds: float) -> None:
    day = UNIVERSES.c.day
    connection.execute(sa.update(UNIVERSES).values({day: day - int(seconds // 86_400)}))


class ModelRig:
    """A rig on the model of the simulation; each look at its clock takes a millisecond."""

    def __init__(self) -> None:
        self._now = 1.0
        self._model = ModelTable(self._tick)
        self.table = self._model

    def _tick(self) -> float:
        self._now += 0.001
        return self._now

    async def pending(self) -> Mapping[str, str]:
        return {name: one.worker for name, one in self._model.queue.items()}

    async def dequeue(self, attempt: str, worker: str) -> None:
        queued = self._model.queue[attempt]
        queued.worker, queued.taken_at = worker, self._now

    async def finish(self, attempt: str) -> None:
        self._model.queue.pop(attempt, None)

    async def pass_time(self, seconds: float) -> None:
        self._now += seconds


@asynccontextmanager
async def sql_rig(url: str, token: str = "", *, is_still: bool = False) -> AsyncGenerator[SqlRig]:
    database = await open_database(url, token)
    if is_still:
        database = _StillDatabase(database.engine, database.url, database.fleet, database.token)
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


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fleet's database that has all tables and no rows."""
    return _new_database(request.param, request)


def _new_database(kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        path: Path = request.getfixturevalue("tmp_path") / "fleet.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    template: str = request.getfixturevalue("postgres_template")
    return request.getfixturevalue("cluster").new_database(template=template)


@pytest.fixture(params=RIGS)
def rig_url(request: pytest.FixtureRequest) -> str:
    """The URL of the database of a rig; a model has none."""
    return "" if request.param == "model" else _new_database(request.param, request)


@pytest.fixture
async def rig(rig_url: str) -> AsyncIterator[Rig]:
    if not rig_url:
        yield ModelRig()
        return
    async with sql_rig(rig_url, is_still=True) as made:
        yield made
