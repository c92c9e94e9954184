"""The database of a fleet: SQLite for one machine, PostgreSQL for many.

Holds the connection of our own statements; DBOS has others to the same database.
"""

import asyncio
import json
import logging
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from attractor.base.errors import Refused, UsageError, require_format
from attractor.base.locks import FileLock
from attractor.fleet.database.schema import (
    COLUMNS,
    FORMAT,
    HEADS,
    LEASES,
    META,
    RUNS,
    SWEEP,
    TABLES,
)
from attractor.fleet.database.universe_rows import insert_tenant
from attractor.fleet.errors import DatabaseAway, ForeignDatabase
from attractor.fleet.records import HOME
from attractor.fleet.universes import NO_CAPS

T = TypeVar("T")

LIMIT_S = 12.0
"""A transaction that takes longer, because the database is frozen, is given up."""

OPEN_LIMIT_S = 60.0
BUSY_S = 10.0
CONNECT_S = 3
POLL_LOCK_S = 0.1
DBOS_SCHEMA = "dbos"

# A frozen client keeps no row locked for long: the server ends its transaction.
_POSTGRES_LIMITS = (
    "-c statement_timeout=10000 -c lock_timeout=8000 -c idle_in_transaction_session_timeout=5000"
)
_MIGRATION_LOCK = 4_729_118_203
_CLOCKS = {
    "sqlite": "select (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "select extract(epoch from clock_timestamp())::double precision",
}
_PRESENT = ", set_config('fleet.token', %s, true)"
_DENIED = "42501"


class Database:
    """The open database of a fleet."""

    def __init__(self, engine: sa.Engine, url: sa.URL, fleet: str, token: str = "") -> None:
        self.engine = engine
        self.url = url
        self.fleet = fleet
        """The random id of the fleet."""
        self.token = token
        """The secret of a worker, kept in memory only: PostgreSQL sees it in each transaction."""

    @property
    def name(self) -> str:
        """The address without the password."""
        return self.url.render_as_string(hide_password=True)

    async def transact(
        self, work: Callable[[sa.Connection, float], T], *, is_reading: bool = False
    ) -> T:
        """Return the result of work that gets a connection and the time of the database.

        The work is one transaction; it may run again, but only if nothing was written.
        """
        call = _Call()
        try:
            async with asyncio.timeout(LIMIT_S):
                return await asyncio.to_thread(self._transact, work, call, is_reading)
        except TimeoutError as cause:
            call.abort()
            raise DatabaseAway(f"{self.name} did not answer within {LIMIT_S:g} s") from cause

    async def read(self, work: Callable[[sa.Connection, float], T]) -> T:
        """Return the result of work that changes nothing."""
        return await self.transact(work, is_reading=True)

    async def execute(self, statement: sa.Executable) -> None:
        """Execute one statement in a transaction of its own."""
        await self.transact(lambda connection, _: connection.execute(statement) and None)

    async def store_id(self, made: str = "") -> str:
        """Return the id of the store, which is that of the first one that was made."""

        def work(connection: sa.Connection, _: float) -> str:
            if made:
                connection.execute(sa.update(META).where(META.c.store == "").values(store=made))
            return connection.execute(sa.select(META.c.store)).scalar_one()

        return await self.transact(work)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _transact(
        self, work: Callable[[sa.Connection, float], T], call: "_Call", is_reading: bool
    ) -> T:
        with away_errors(self.name):
            try:
                return self._once(work, call, is_reading)
            except _StaleConnection as error:
                if call.is_aborted:
                    raise DatabaseAway(f"{self.name} does not answer") from error
                # The server was restarted since the connection was last used.
                return self._once(work, call, is_reading)

    def _once(
        self, work: Callable[[sa.Connection, float], T], call: "_Call", is_reading: bool
    ) -> T:
        with self.engine.connect() as connection:
            call.connection = connection
            if call.is_aborted:
                raise DatabaseAway(f"{self.name} does not answer")
            connection.execution_options(is_reading=is_reading)
            with connection.begin():
                try:
                    now = self._begin(connection)
                except exc.DBAPIError as error:
                    if error.connection_invalidated:
                        raise _StaleConnection from error
                    raise
                return work(connection, now)

    def _begin(self, connection: sa.Connection) -> float:
        """Say who this is, and return the time of the database."""
        clock = _CLOCKS[self.engine.dialect.name]
        if not self.token or self.engine.dialect.name == "sqlite":
            return connection.exec_driver_sql(clock).scalar_one()
        return connection.exec_driver_sql(clock + _PRESENT, (self.token,)).scalar_one()


class _StaleConnection(Exception):
    """A connection of the pool ended before its first statement."""


class _Call:
    """A transaction in a thread, which another thread can end."""

    connection: sa.Connection | None = None
    is_aborted = False

    def abort(self) -> None:
        """End the connection, so that the thread does not wait for ever."""
        self.is_aborted = True
        if self.connection is None or self.connection.closed:
            return
        driver: Any = self.connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            driver.interrupt()
        else:
            with socket.socket(fileno=os.dup(driver.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)


@contextmanager
def away_errors(name: str) -> Generator[None]:
    """Raise DatabaseAway for errors that mean that the database does not answer."""
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        raise DatabaseAway(f"{name} does not answer: {_first_line(error)}") from error
    except exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", "") == _DENIED:
            hint = (
                "use the login of the server; that of a worker only executes runs, and "
                "attractor_evaluators only plays the trials of the pool evaluate"
            )
            raise Refused(f"{name} denies access: {_first_line(error)}", hint=hint) from error
        if not error.connection_invalidated:
            raise
        raise DatabaseAway(f"{name} closed the connection") from error


def _first_line(error: BaseException) -> str:
    return str(getattr(error, "orig", error)).strip().partition("\n")[0]


async def open_database(address: str, token: str = "") -> Database:
    """Open the database of a fleet; make its tables, and those of DBOS, where they are missing."""
    try:
        async with asyncio.timeout(OPEN_LIMIT_S):
            return await asyncio.to_thread(_open, address, token)
    except TimeoutError as cause:
        name = _url(address).render_as_string(hide_password=True)
        raise DatabaseAway(f"{name} did not answer within {OPEN_LIMIT_S:g} s") from cause


def silence_dbos() -> None:
    """Let DBOS write nothing to the terminal: it adds no handler of its own beside another one."""
    logger = logging.getLogger("dbos")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _url(address: str) -> sa.URL:
    try:
        url = sa.make_url(address)
    except exc.ArgumentError as cause:
        raise UsageError("invalid address of a database", hint=_ADDRESSES) from cause
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return url
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise UsageError(f"unsupported database {url.drivername!r}", hint=_ADDRESSES)


_ADDRESSES = "write sqlite:////PATH, or postgresql://USER:PASSWORD@HOST/DATABASE"


def _open(address: str, token: str) -> Database:
    # The import of DBOS takes half a second, and starts a program.
    from dbos import DBOS

    silence_dbos()
    url = _url(address)
    is_sqlite = url.drivername == "sqlite"
    engine = _sqlite_engine(url) if is_sqlite else _postgres_engine(url)
    name = url.render_as_string(hide_password=True)
    try:
        with away_errors(name), _sqlite_lock(url) if is_sqlite else _postgres_lock(engine):
            fleet = _make_tables(engine, name)
            # Its own URL: the driver of SQLAlchemy is chosen by DBOS.
            DBOS.migrate(
                url.set(drivername="sqlite" if is_sqlite else "postgresql").render_as_string(
                    hide_password=False
                ),
                schema=DBOS_SCHEMA,
            )
    except BaseException:
        engine.dispose()
        raise
    return Database(engine, url, fleet, token)


def _make_tables(engine: sa.Engine, name: str) -> str:
    """Make our tables in an empty database, and return the id of the fleet."""
    with engine.begin() as connection:
        inspector = sa.inspect(connection)
        tables = inspector.get_table_names()
        if META.name in tables:
            fleet, number = connection.execute(sa.select(META.c.fleet, META.c.format)).one()
            require_format(name, number, current=FORMAT, oldest=1)
            if number < FORMAT:
                TABLES.create_all(connection)
                inspector.clear_cache()
                for table, column, words in COLUMNS:
                    if column not in {known["name"] for known in inspector.get_columns(table)}:
                        connection.exec_driver_sql(
                            f"alter table {table} add column {column} {words}"
                        )
                if HEADS.name not in tables:
                    present = sa.select(RUNS.c.run_id, RUNS.c.seq, RUNS.c.head, RUNS.c.changed)
                    connection.execute(sa.insert(HEADS).from_select(list(HEADS.c), present))
                connection.execute(sa.update(META).values(format=FORMAT))
            return fleet
        if engine.dialect.name == "postgresql":
            tables += inspector.get_table_names(DBOS_SCHEMA)
        _require_empty(name, tables)
        TABLES.create_all(connection)
        fleet = uuid.uuid4().hex
        connection.execute(sa.insert(META).values(fleet=fleet, format=FORMAT, store=""))
        connection.execute(sa.insert(LEASES).values(name=SWEEP, holder="", until=0.0))
        insert_tenant(connection, HOME, uuid.uuid4().hex, NO_CAPS)
        return fleet


def _require_empty(name: str, tables: list[str]) -> None:
    if tables:
        raise ForeignDatabase(
            f"{name} is not the database of a fleet: it has the table {min(tables)}"
        )


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        connect_args={"timeout": BUSY_S},
        pool_timeout=BUSY_S,
        json_deserializer=_from_json,
    )

    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        # Otherwise Python begins a transaction at the first write, after what was read before it.
        connection.isolation_level = None

    def on_begin(connection: sa.Connection) -> None:
        is_reading = connection.get_execution_options().get("is_reading")
        connection.exec_driver_sql("begin" if is_reading else "begin immediate")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def _postgres_engine(url: sa.URL) -> sa.Engine:
    limits = {
        "connect_timeout": CONNECT_S,
        "application_name": "attractor-fleet",
        "options": _POSTGRES_LIMITS,
        "tcp_user_timeout": int(LIMIT_S * 1000),
    }
    return sa.create_engine(
        url,
        connect_args=limits,
        max_overflow=5,
        pool_timeout=BUSY_S,
        json_deserializer=_from_json,
    )


def _from_json(text: str) -> object:
    """Return a value, or None for one that cannot be shown: a worker may have written anything."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value


@contextmanager
def _sqlite_lock(url: sa.URL) -> Generator[None]:
    """Hold the right to make tables, in a database that is empty or ours, in WAL mode."""
    path = Path(url.database or "")
    if not path.parent.is_dir():
        raise DatabaseAway(f"{path} cannot be opened: no folder {path.parent}")
    with FileLock(path.with_name(f"{path.name}.lock")).acquire(wait=OPEN_LIMIT_S):
        try:
            with closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
                rows = connection.execute("select name from sqlite_master where type = 'table'")
                tables = [name for (name,) in rows]
                if META.name not in tables:
                    _require_empty(str(path), tables)
                # DBOS keeps the mode that it finds, and a rollback journal makes it three times
                # slower.
                connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            raise DatabaseAway(f"{path} cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            raise ForeignDatabase(f"{path} is not the database of a fleet: {error}") from error
        yield


@contextmanager
def _postgres_lock(engine: sa.Engine) -> Generator[None]:
    """Hold the right to make tables, until the session ends."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        deadline = time.monotonic() + OPEN_LIMIT_S
        # A statement that waits for the lock would keep DBOS from making an index concurrently.
        while not connection.exec_driver_sql(
            f"select pg_try_advisory_lock({_MIGRATION_LOCK})"
        ).scalar_one():
            if time.monotonic() > deadline:
                raise DatabaseAway("another process makes the tables of the fleet for too long")
            time.sleep(POLL_LOCK_S)
        try:
            yield
        finally:
            connection.invalidate()
