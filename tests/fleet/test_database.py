import asyncio
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from attractor.base.errors import AttractorError, NewerFormat, OlderFormat, UsageError
from attractor.fleet.database import database
from attractor.fleet.database.database import open_database
from attractor.fleet.database.schema import COLUMNS, META, TABLES
from attractor.fleet.database.universe_rows import charge, read_tenants
from attractor.fleet.errors import DatabaseAway, ForeignDatabase
from attractor.fleet.records import Claim, NewRun, Spent
from tests.fleet.postgres import Cluster
from tests.fleet.rigs import sql_rig

pytestmark = pytest.mark.anyio

RUN = NewRun(run_id="r", head="h", pool="p", engine="1")


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/fleet.db"
    return request.getfixturevalue("cluster").new_database()


def execute(url: str, *statements: str) -> None:
    """Change a database as another program."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
    else:
        with psycopg.connect(url) as connection:
            for statement in statements:
                connection.execute(statement.encode())


async def test_many_openers_at_once_make_one_fleet(empty_url: str) -> None:
    opened = await asyncio.gather(*(open_database(empty_url) for _ in range(4)))
    assert len({one.fleet for one in opened}) == 1
    assert re.fullmatch("[0-9a-f]{32}", opened[0].fleet)
    for one in opened:
        one.close()
    async with sql_rig(empty_url) as rig:
        assert rig.database.fleet == opened[0].fleet
        await rig.table.add(RUN)
        assert await rig.pending() == {"r:1": ""}


async def test_transaction_from_before_midnight_keeps_what_was_spent_after_it(
    database_url: str,
) -> None:
    midnight = 20_000 * 86_400.0
    async with sql_rig(database_url) as rig:
        await rig.table.add(RUN)

        def spend(connection: sa.Connection, _: float) -> None:
            for now in (midnight + 0.1, midnight - 0.1, midnight + 0.2):
                charge(connection, "r", Spent(1.0, 10), now)

        await rig.database.transact(spend)
        [home] = await rig.database.read(lambda one, _: read_tenants(one, midnight - 0.1))
        assert home.spent == Spent(3.0, 30)


async def test_openers_in_processes_make_one_fleet(empty_url: str) -> None:
    code = (
        "import asyncio, sys; from attractor.fleet.database.database import open_database\n"
        "opened = asyncio.run(open_database(sys.argv[1])); print(opened.fleet); opened.close()"
    )
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, empty_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    outputs = [await one.communicate() for one in started]
    assert outputs[0] == outputs[1]
    assert re.fullmatch(b"[0-9a-f]{32}\n", outputs[0][0])
    # DBOS logs nothing.
    assert outputs[0][1] == b""


async def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    (await open_database(f"sqlite:///{tmp_path}/fleet.db")).close()
    connection = sqlite3.connect(tmp_path / "fleet.db")
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    connection.close()


async def test_foreign_database_is_refused(empty_url: str) -> None:
    execute(empty_url, "create table customer (name text)")
    with pytest.raises(ForeignDatabase, match="table customer"):
        await open_database(empty_url)
    # Nothing was added.
    execute(empty_url, f"create table {META.name} (name text)")


async def test_database_of_another_application_of_dbos_is_refused(cluster: Cluster) -> None:
    url = cluster.new_database()
    execute(url, "create schema dbos", "create table dbos.workflow_status (name text)")
    with pytest.raises(ForeignDatabase, match="workflow_status"):
        await open_database(url)


async def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("buy milk\n" * 1000)
    with pytest.raises(ForeignDatabase, match="not the database of a fleet"):
        await open_database(f"sqlite:///{file}")
    assert file.read_text() == "buy milk\n" * 1000


async def test_database_of_the_first_format_gets_what_is_new(empty_url: str) -> None:
    async with sql_rig(empty_url) as rig:
        await rig.table.add(RUN)
    execute(
        empty_url,
        *(f"alter table {table} drop column {column}" for table, column, _ in COLUMNS),
        "drop table fleet_head",
        f"update {META.name} set format = 1",
    )
    database = await open_database(empty_url)
    try:
        for table, column, _ in COLUMNS:
            found = {one["name"] for one in sa.inspect(database.engine).get_columns(table)}
            assert column in found
        # The present heads of the runs that are there.
        with database.engine.connect() as connection:
            rows = connection.exec_driver_sql("select run_id, seq, head from fleet_head").all()
        assert [tuple(row) for row in rows] == [("r", 0, "h")]
    finally:
        database.close()
    (await open_database(empty_url)).close()


@pytest.mark.parametrize(("number", "error"), [(99, NewerFormat), (0, OlderFormat)])
async def test_database_of_another_version_is_refused(
    empty_url: str, number: int, error: type[AttractorError]
) -> None:
    (await open_database(empty_url)).close()
    execute(empty_url, f"update {META.name} set format = {number}")
    with pytest.raises(error, match=str(number)):
        await open_database(empty_url)


@pytest.mark.parametrize(
    "address", ["", "no address", "mysql://host/fleet", "sqlite://", "sqlite:///:memory:"]
)
async def test_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(UsageError):
        await open_database(address)


async def test_password_is_not_shown() -> None:
    with pytest.raises(DatabaseAway) as raised:
        await open_database("postgresql://me:secret@127.0.0.1:1/fleet")
    assert "127.0.0.1" in str(raised.value)
    assert "secret" not in str(raised.value)


async def test_database_that_is_not_there_is_away(cluster: Cluster, tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/missing/fleet.db", cluster.url("missing")):
        with pytest.raises(DatabaseAway):
            await open_database(url)


async def takes_at_most(seconds: float, call: Callable[[], Awaitable[object]]) -> None:
    began = time.monotonic()
    with pytest.raises(DatabaseAway):
        await call()
    assert time.monotonic() - began < seconds


async def test_database_goes_away_and_comes_back(cluster: Cluster) -> None:
    async with sql_rig(cluster.new_database()) as rig:
        await rig.table.add(RUN)
        claim = await rig.table.claim("r", 1, "w")
        assert isinstance(claim, Claim)
        with cluster.stopped():
            await takes_at_most(10, lambda: rig.table.commit(claim, "h1"))
            await takes_at_most(10, lambda: rig.table.sweep("s"))
        assert (await rig.table.commit(claim, "h1")).seq == 1
        # Connections of before a restart, which nobody used meanwhile.
        with cluster.stopped():
            pass
        assert await rig.table.now()


async def test_frozen_database_is_away(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LIMIT_S", 1.0)
    async with sql_rig(cluster.new_database()) as rig:
        await rig.table.add(RUN)
        cluster.send(signal.SIGSTOP)
        try:
            await takes_at_most(10, lambda: rig.table.want("r"))
        finally:
            cluster.send(signal.SIGCONT)
        monkeypatch.undo()
        assert (await rig.table.want("r")).state == "queued"


async def test_locked_file_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.2)
    async with sql_rig(f"sqlite:///{tmp_path}/fleet.db") as rig:
        other = sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)
        other.execute("begin immediate")
        await takes_at_most(10, lambda: rig.table.add(RUN))
        assert await rig.table.runs() == []
        other.execute("rollback")
        other.close()
        await rig.table.add(RUN)


async def test_failed_transaction_leaves_nothing(database_url: str) -> None:
    def work(connection: sa.Connection, _: float) -> None:
        rig.queue.enqueue(connection, run)
        raise KeyError

    async with sql_rig(database_url) as rig:
        await rig.table.add(RUN)
        run = await rig.table.cancel("r")
        with pytest.raises(KeyError):
            await rig.database.transact(work)
        assert await rig.pending() == {}


async def test_tables_are_ours_by_name(database_url: str) -> None:
    assert all(name.startswith("fleet_") for name in TABLES.tables)
    async with sql_rig(database_url) as rig:
        found = await rig.database.transact(
            lambda connection, _: sa.inspect(connection).get_table_names()
        )
        assert {*TABLES.tables} <= {*found}
