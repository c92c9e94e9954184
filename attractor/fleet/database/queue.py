"""The queue of attempts, which is DBOS: enqueuing, cancelling, and listening at a worker.

An attempt is a workflow of DBOS with the id `RUN:ATTEMPT`; its argument is the name of its queue.
The table of workflows is declared here by the few columns that are used; DBOS documents them.
"""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import sqlalchemy as sa

from attractor.fleet.database.database import DBOS_SCHEMA, Database, away_errors, silence_dbos
from attractor.fleet.records import AttemptRow, FleetRun, attempt_id

if TYPE_CHECKING:
    from dbos import DBOS, EnqueueOptions

APPLICATION = "attractor-fleet"
VERSION = "1"
"""Constant: which engine may run an attempt is said by its queue."""

WORKFLOW = "attempt"
POLL_S = 0.2
_HIGHEST_PRIORITY = 2**30 - 2
_NUMBER = re.compile("[0-9]{1,9}")
_LATEST_S = 1e11

Execute = Callable[[str, int], Awaitable[None]]


class Queue:
    """The attempts of a fleet, changed in the transactions of its rows."""

    def __init__(self, database: Database) -> None:
        # The import of DBOS takes half a second, and starts a program.
        from dbos import DBOSClient, WorkflowSerializationFormat

        silence_dbos()
        self._arguments_format = WorkflowSerializationFormat.PORTABLE
        self._client = DBOSClient(
            system_database_engine=database.engine,
            dbos_system_schema=DBOS_SCHEMA,
            application_name=APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )
        is_sqlite = database.engine.dialect.name == "sqlite"
        self._attempts = sa.table(
            "workflow_status",
            *(
                sa.column(name, sa.Text)
                for name in ("workflow_uuid", "name", "status", "executor_id", "queue_name")
            ),
            *(
                sa.column(name, sa.BigInteger)
                for name in ("created_at", "started_at_epoch_ms", "completed_at")
            ),
            schema=None if is_sqlite else DBOS_SCHEMA,
        )

    def enqueue(self, connection: sa.Connection, run: FleetRun) -> None:
        """Enqueue the present attempt of a run, at the place that the run has."""
        attempt = attempt_id(run.run_id, run.attempt)
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": run.queue,
            "workflow_id": attempt,
            "app_version": VERSION,
            # DBOS begins with the lowest number, from 1, and within it with the oldest attempt.
            # Attempts that earlier versions queued have the same numbers.
            "priority": 2 * min(max(run.priority, 0), _HIGHEST_PRIORITY) + 2,
            "serialization_type": self._arguments_format,
        }
        self._client.enqueue_in_transaction(connection, options, run.queue)
        attempts = self._attempts.c
        connection.execute(
            sa.update(self._attempts)
            .where(attempts.workflow_uuid == attempt)
            .values(created_at=round(run.queued_at * 1000))
        )

    def cancel(self, connection: sa.Connection, run: FleetRun) -> None:
        """Drop the present attempt of a run, unless it has ended."""
        attempts = self._attempts.c
        connection.execute(
            sa.update(self._attempts)
            .where(attempts.workflow_uuid == attempt_id(run.run_id, run.attempt))
            .where(attempts.status.in_(("ENQUEUED", "DELAYED", "PENDING")))
            .values(status="CANCELLED", queue_name=None, started_at_epoch_ms=None)
        )

    def is_pending(
        self, attempt: sa.ColumnElement[str], living: sa.Select[tuple[str]], since: float
    ) -> sa.ColumnElement[bool]:
        """Return the condition that an attempt is queued, or came later to a living worker."""
        attempts = self._attempts.c
        # DBOS notes the time of the database.
        is_new = attempts.started_at_epoch_ms > int(since * 1000)
        return sa.exists().where(
            attempts.workflow_uuid == attempt,
            sa.or_(
                attempts.status.in_(("ENQUEUED", "DELAYED")),
                sa.and_(attempts.status == "PENDING", attempts.executor_id.in_(living), is_new),
            ),
        )

    def pending(self, connection: sa.Connection) -> Mapping[str, str]:
        """Return the attempts that have not ended, each with its worker or an empty text."""
        attempts = self._attempts.c
        rows = connection.execute(
            sa.select(attempts.workflow_uuid, attempts.status, attempts.executor_id)
            .where(attempts.name == WORKFLOW)
            .where(attempts.status.in_(("ENQUEUED", "DELAYED", "PENDING")))
        )
        return {
            name: (worker or "") if status == "PENDING" else "" for name, status, worker in rows
        }

    def attempts(self, connection: sa.Connection, run_id: str) -> Sequence[AttemptRow]:
        """Return the attempts of a run, the first one first."""
        attempts = self._attempts.c
        rows = connection.execute(
            sa.select(
                *(attempts.workflow_uuid, attempts.status, attempts.executor_id),
                *(attempts.created_at, attempts.started_at_epoch_ms, attempts.completed_at),
            ).where(self._is_of(run_id))
        )
        found = [
            AttemptRow(
                number=int(name.rpartition(":")[2]),
                status=(status or "").lower(),
                worker=worker or "",
                queued=_seconds(queued),
                began=_seconds(began),
                ended=_seconds(ended),
            )
            for name, status, worker, queued, began, ended in rows
            # A worker may have written anything into the queue; `fleet check` names it.
            if _NUMBER.fullmatch(name.rpartition(":")[2])
        ]
        return sorted(found, key=lambda attempt: attempt.number)

    def forget(self, connection: sa.Connection, run_id: str) -> None:
        """Remove the attempts of a run."""
        connection.execute(sa.delete(self._attempts).where(self._is_of(run_id)))

    def _is_of(self, run_id: str) -> sa.ColumnElement[bool]:
        is_its_own = self._attempts.c.workflow_uuid.startswith(f"{run_id}:", autoescape=True)
        return sa.and_(is_its_own, self._attempts.c.name == WORKFLOW)

    def close(self) -> None:
        """Release the client of DBOS."""
        self._client.destroy()


class Listener:
    """Executes the attempts of some queues in this process, at most `slots` at once.

    DBOS allows one in a process. `worker` is the id of the worker's row, new at each start: DBOS
    executes again what an executor of the same id left behind, and the fence is ours.
    """

    def __init__(
        self,
        database: Database,
        *,
        worker: str,
        queues: Sequence[str],
        slots: int,
        execute: Execute,
    ) -> None:
        self._database = database
        self._worker = worker
        self._queues = queues
        self._slots = slots
        self._execute = execute
        self.running: dict[str, str] = {}
        """The attempts of this process, each with its queue."""
        self._is_closing = False
        self._free = asyncio.Semaphore(slots)

    async def start(self) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        # In a thread without a loop, or DBOS would take this loop for its own work.
        await asyncio.to_thread(self._launch)

    async def close(self, patience_s: float) -> None:
        """Stop dequeuing at once, wait for what runs, and end the rest."""
        self._is_closing = True
        # Late, as above.
        from dbos import DBOS

        # DBOS looks once a second, and records the ends in the meantime.
        patience = max(1, math.ceil(patience_s)) if self.running or patience_s else 0
        await asyncio.to_thread(
            DBOS.destroy, destroy_registry=True, workflow_completion_timeout_sec=patience
        )

    def _launch(self) -> None:
        # Late, as above.
        from dbos import DBOS, DBOSConfig
        from dbos._serialization import DefaultSerializer

        async def attempt(queue: str) -> None:
            running = self._run(DBOS.workflow_id or "", queue)
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(running, self._loop))

        silence_dbos()
        # Arguments are JSON: what another program wrote into the table is not unpickled.
        setattr(DefaultSerializer, "deserialize", _refuse_pickle)  # noqa: B010
        url = self._database.url
        plain = url if url.drivername == "sqlite" else url.set(drivername="postgresql")
        dbos = DBOS(
            config=DBOSConfig(
                name=APPLICATION,
                system_database_url=plain.render_as_string(hide_password=False),
                dbos_system_schema=DBOS_SCHEMA,
                application_version=VERSION,
                executor_id=self._worker,
                sys_db_pool_size=5,
                run_migrations=False,
                # Nothing here waits for a message; each listener would keep a connection for it.
                use_listen_notify=False,
                log_level="CRITICAL",
                enable_otlp=False,
            )
        )
        try:
            DBOS.workflow(name=WORKFLOW)(attempt)
            DBOS.listen_queues(self._queues)
            with away_errors(self._database.name):
                DBOS.launch()
                self._share_slots(dbos)
                for name in self._queues:
                    DBOS.register_queue(
                        name, worker_concurrency=self._slots, polling_interval_sec=POLL_S
                    )
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            raise

    def _share_slots(self, dbos: "DBOS") -> None:
        """Let all queues of this process share its slots.

        DBOS counts for each queue by itself, and its `worker_concurrency` is one number for all
        workers of a queue.
        """
        database: Any = dbos._sys_db  # pyright: ignore[reportPrivateUsage]
        # Otherwise an attempt that ends without a database keeps its slot, and the process, until
        # DBOS has recorded the end: up to 90 s after the database is back.
        database._retry_connection_errors = False
        read = database.get_queue

        def get_queue(name: str, **options: Any) -> Any:
            queue = read(name, **options)
            if queue is not None:
                others = sum(other != name for other in self.running.values())
                queue._worker_concurrency = max(0, self._slots - others)
            return queue

        database.get_queue = get_queue

    async def _run(self, name: str, queue: str) -> None:
        """Execute an attempt on the loop of the worker, when one of its slots is free."""
        run_id, _, attempt = name.rpartition(":")
        self.running[name] = queue
        try:
            async with self._free:
                # A sweep enqueues again what ends without a claim.
                if not self._is_closing:
                    await self._execute(run_id, int(attempt))
        finally:
            del self.running[name]


def _seconds(milliseconds: int | None) -> float:
    """Return a time of the queue in seconds, such that it can be shown."""
    return min(max(milliseconds or 0, 0) / 1000, _LATEST_S)


def _refuse_pickle(self: object, serialized_data: str) -> NoReturn:
    raise ValueError("the arguments of an attempt are JSON, not pickled")
