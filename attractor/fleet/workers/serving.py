"""The process of a worker: beats, listens to its queues, sweeps, and drains on a signal."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from attractor import __version__
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode
from attractor.fleet.database.queue import Listener
from attractor.fleet.decisions import BEAT_S
from attractor.fleet.errors import DatabaseAway, StoreAway
from attractor.fleet.fleet import Addresses, Fleet, open_fleet, process_name
from attractor.fleet.records import EVALUATE, HOME, Worker, area_of, queue_name, worker_id
from attractor.fleet.store.places import MachinePlace
from attractor.fleet.workers.site import INCIDENTS, FolderSite, remove_place
from attractor.fleet.workers.worker import RunWorker

SWEEP_S = TAILS_S = 2.0
_DRAIN_S = 24 * 3600.0
_PLACES = "places"


Tell = Callable[..., None]
"""Tells people what happened, with details by name."""


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """What a worker is to be; `home` is the project in which it was started."""

    addresses: Addresses
    folder: Path
    pool: str
    slots: int
    labels: Sequence[str]
    environ: Mapping[str, str]
    home: MachinePlace | None = None
    max_head_bytes: int = sys.maxsize
    engine: str = __version__


class ServingWorker:
    """A worker that serves its pool until a signal ends it."""

    def __init__(self, plan: WorkerPlan, tell: Tell, clock: Clock | None = None) -> None:
        self._plan = plan
        self._tell = tell
        self._clock = clock or SystemClock()
        self._signals = 0
        self._woken = asyncio.Event()
        self._is_over = False

    async def serve(self) -> ExitCode:
        """Serve until the first signal, end the stages in flight, and leave."""
        plan = self._plan
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._count_signal)
        async with AsyncExitStack() as stack:
            fleet = await self._open(stack)
            if fleet is None:
                return ExitCode.DONE
            if plan.pool == EVALUATE or await fleet.database.store_id():
                # The store of another fleet is refused; one that is away may come back.
                with suppress(StoreAway):
                    await fleet.blobs_of(area_of(HOME, plan.pool))
            worker = await self._register(fleet)
            places = self._places_of(fleet, worker.worker.id)
            queues = [queue_name(plan.pool, plan.engine, label) for label in ("", *plan.labels)]
            listener = Listener(
                fleet.database,
                worker=worker.worker.id,
                queues=queues,
                slots=plan.slots,
                execute=worker.execute,
            )
            beats = asyncio.create_task(worker.beat_until(lambda: self._is_over))
            sweeps = asyncio.create_task(self._sweep(fleet, worker))
            tails = asyncio.create_task(self._show_tails(fleet, worker))
            await listener.start()
            self._tell("ready", worker=worker.worker.id, pool=plan.pool, slots=f"{plan.slots}")
            try:
                await self._until_drained(worker, beats)
                await self._drain(fleet, worker, listener)
            finally:
                self._is_over = True
                for one in (beats, sweeps, tails):
                    one.cancel()
                    with suppress(asyncio.CancelledError):
                        await one
                await asyncio.to_thread(_remove_places, places)
            if worker.refused:
                raise worker.refused
        return ExitCode.INTERRUPTED if self._signals > 1 else ExitCode.DONE

    async def _open(self, stack: AsyncExitStack) -> Fleet | None:
        """Open the fleet as soon as its database answers; return None after a signal."""
        plan, token, told = self._plan, secrets.token_hex(32), ""
        while not self._signals:
            try:
                opened = open_fleet(plan.addresses, plan.environ, token)
                return await stack.enter_async_context(opened)
            except DatabaseAway as away:
                if away.in_one_line != told:
                    told = away.in_one_line
                    self._tell("waiting for the database", error=told)
            await self._until_woken()
        return None

    async def _register(self, fleet: Fleet) -> RunWorker:
        plan, now = self._plan, await fleet.table.now()
        row = Worker(
            id=worker_id(fleet.database.token),
            name=process_name(),
            pool=plan.pool,
            engine=plan.engine,
            slots=plan.slots,
            labels=tuple(plan.labels),
            began=now,
            beat=now,
        )
        spans = filter(None, [plan.environ.get(_SPANS), f"attractor.worker={row.name}"])
        environ = {**plan.environ, _SPANS: ",".join(spans)}
        places = self._places_of(fleet, row.id)
        site = FolderSite(
            places, fleet.blobs_of, environ, home=plan.home, max_bytes=plan.max_head_bytes
        )
        worker = RunWorker(row, fleet.table, site.begin, self._clock)
        await worker.beat()
        left = {*places.parent.glob(self._places_of(fleet, "*").name)}
        left -= {self._places_of(fleet, one.id) for one in await fleet.table.workers()}
        # What killed workers left; a worker is known for an hour after its death.
        for one in left:
            await asyncio.to_thread(_remove_places, one)
        return worker

    def _places_of(self, fleet: Fleet, worker: str) -> Path:
        """Return the folder of a worker; others in this state folder may be of another fleet."""
        return self._plan.folder / _PLACES / f"{fleet.database.fleet[:8]}-{worker}"

    async def _until_drained(self, worker: RunWorker, beats: asyncio.Task[None]) -> None:
        # Without beats, others take over its runs.
        while not (self._signals or worker.worker.is_draining or worker.refused or beats.done()):
            await self._until_woken()

    async def _until_woken(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), BEAT_S)

    async def _drain(self, fleet: Fleet, worker: RunWorker, listener: Listener) -> None:
        worker.drains = True
        with suppress(DatabaseAway):
            await fleet.table.drain(worker.worker.id)
        await worker.beat()
        self._tell("draining", runs=f"{len(worker.attempts)}")
        closing = asyncio.create_task(listener.close(_DRAIN_S))
        while not closing.done() and self._signals < 2:
            await asyncio.wait([closing], timeout=BEAT_S)
        while not closing.done():
            # An attempt may begin in this moment.
            await worker.end_all("the worker was ended")
            await asyncio.wait([closing], timeout=BEAT_S)
        await closing
        with suppress(DatabaseAway):
            await fleet.table.leave(worker.worker.id)
        self._tell("left")

    async def _sweep(self, fleet: Fleet, worker: RunWorker) -> None:
        told = ""
        while not self._is_over:
            try:
                for line in await fleet.table.sweep(worker.worker.id):
                    self._tell(line)
            except AttractorError as error:
                # An absent database is seen by the beats.
                if not isinstance(error, DatabaseAway) and error.in_one_line != told:
                    told = error.in_one_line
                    self._tell("sweep failed", error=told)
            await asyncio.sleep(SWEEP_S)

    async def _show_tails(self, fleet: Fleet, worker: RunWorker) -> None:
        """Show what is not committed yet, of runs that are looked at."""
        while not self._is_over:
            await asyncio.sleep(TAILS_S)
            # What is shown is a courtesy: nothing waits for it.
            with suppress(AttractorError, OSError):
                for one in await fleet.tails.watched(worker.worker.id) if worker.attempts else ():
                    if running := worker.attempts.get(one.run_id):
                        await fleet.tails.show(one, await running.tail())

    def _count_signal(self) -> None:
        self._signals += 1
        self._woken.set()


_SPANS = "OTEL_RESOURCE_ATTRIBUTES"
"""The variable with attributes of all spans of a process: the name of its worker is one."""


def _remove_places(folder: Path) -> None:
    """Remove the laid out runs, which the store has, but no incidents."""
    # Another worker that starts may remove the same ones.
    with suppress(OSError):
        for one in folder.iterdir():
            if one.name != INCIDENTS:
                remove_place(one)
        folder.rmdir()
