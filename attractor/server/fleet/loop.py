"""Does for runs of the fleet what workers may not: once a second, in a thread of its own.

It brings their committed heads into the projects of the server, notifies people, records the ends,
starts the evaluations, and begins and answers the runs of actors in pools. Of the servers of a
state folder, one does it; if it dies, another one.
Each step may be repeated: what is done is noted after it.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from attractor.attention.fleet_needs import FleetNeeds, publish_needs
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, LockHeld, Refused, UsageError, words_of
from attractor.base.files import make_private_folder
from attractor.base.locks import FileLock
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.settle import settle_ended
from attractor.fleet.decisions import HOLDER
from attractor.fleet.errors import DatabaseAway, StoreAway
from attractor.fleet.records import EVALUATE, FleetRun, RowState
from attractor.fleet.views.overview import explain, fault_of_store
from attractor.records.summary import summarize_any
from attractor.server.errors import TooManyProcesses
from attractor.server.fleet.actors import answer_message, begin_next
from attractor.server.fleet.connection import FleetConnection, RunFault, UsedSpace
from attractor.server.fleet.needs import needs_of_fleet
from attractor.server.fleet.notices import notify_of_wait
from attractor.server.processes.keyed_work import KeyedWork
from attractor.worlds.actors import ActorFolder, list_actors
from attractor.worlds.inbox import Inbox
from attractor.worlds.pools import SERVER_LOCK
from attractor.worlds.status import KnownJournals

if TYPE_CHECKING:
    # It loads the database, which belongs to an extra.
    from attractor.fleet.fleet import Fleet

EVERY_S = 1.0
SWEEP_S = WATCH_S = 2.0
REMOVE_S = 24 * 3600.0
MOST_EVALUATIONS = 3
KEEP_ENDED_S = 30 * 24 * 3600.0
SPACE_S = 600.0
"""The space of a universe that is shown is measured again after this time."""
LATE_S = 15.0
"""A transaction may end so long after the time that it notes as that of its change."""

AT_ONCE = 3


@dataclass(frozen=True)
class FleetProject:
    """A project of the server: `resume` starts the process that evaluates one of its runs.

    `complete` does that, and waits for the end of the process.
    """

    opened: OpenProject
    resume: Callable[[str], object]
    complete: Callable[[str], object]


class FleetLoop:
    """Does the server's part for the runs of its projects.

    `projects` returns their ids, `project_of` one of them; `own` is that of the server.
    """

    def __init__(
        self,
        connection: FleetConnection,
        own: str,
        projects: Callable[[], Collection[str]],
        project_of: Callable[[str], FleetProject],
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._own = own
        self._tell = tell
        self._clock = clock
        self._projects = projects
        self._project_of = project_of
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="fleet", daemon=True)
        self._is_alone = self._is_second = False
        self._since = self._swept = 0.0
        self._seen: dict[str, float] = {}
        self._work = KeyedWork(AT_ONCE)
        self._journals = KnownJournals()
        self._settled: dict[str, list[str]] = {}
        self._evaluated: dict[str, int] = {}

    def start(self) -> None:
        """Begin as soon as there is a fleet."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present step."""
        self._stopped.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._connection.is_there:
            with self._noted("the messages of actors"):
                if self._connection.takes_runs and any(self._actors_with_messages()):
                    self._connection.make()
                    continue
            if self._stopped.wait(EVERY_S):
                return
        place = self._connection.state / SERVER_LOCK
        make_private_folder(place.parent)
        lock = FileLock(place)
        try:
            asyncio.run(self._act_and_watch(lock))
        finally:
            self._work.finish(10)
            lock.release()

    async def _act_and_watch(self, lock: FileLock) -> None:
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(one) for one in (self._remove(), self._measure())]
            group.create_task(self._watch())
            await self._act(lock)
            for one in others:
                one.cancel()

    async def _act(self, lock: FileLock) -> None:
        """Do what the rows want, while no other server of the state folder does."""
        while not self._stopped.is_set():
            with self._noted("the server's part for runs"):
                self._require_alone(lock)
                fleet = await asyncio.to_thread(self._connection.open)
                await self._look(fleet)
                await asyncio.to_thread(self._look_at_actors)
                self._work.look()
            await asyncio.sleep(EVERY_S)

    def _require_alone(self, lock: FileLock) -> None:
        """Refuse while another server of the state folder does this part, and say once which."""
        if self._is_alone:
            return
        try:
            lock.acquire(purpose="attractor serve")
        except LockHeld as held:
            if not self._is_second:
                self._tell(f"fleet: this server begins its part when the other one ends: {held}")
            self._is_second = True
            raise
        self._is_alone = True

    async def _remove(self) -> None:
        """Remove what is old once a day, also if the server is started often."""
        mark = self._connection.state / "fleet" / "old-removed"
        while True:
            await asyncio.sleep(EVERY_S)
            last = mark.stat().st_mtime if mark.exists() else 0.0
            if self._is_alone and time.time() > last + REMOVE_S:
                with self._noted("old runs and blobs"):
                    mark.touch()
                    fleet = await asyncio.to_thread(self._connection.open)
                    await self._forget_ended(fleet)
                    await fleet.remove_old_blobs()

    async def _forget_ended(self, fleet: "Fleet") -> None:
        """Remove the rows of runs that ended long ago, and whose results are in their projects."""
        until = await fleet.table.now() - KEEP_ENDED_S
        own = self._projects()
        for run in await fleet.table.runs(states=(RowState.ENDED,)):
            if run.changed >= until or run.project not in own:
                continue
            # The runs of a project that is gone keep their rows, and no blob of others.
            with suppress(Refused, UsageError):
                opened = self._project_of(run.project).opened
                if run.pool != EVALUATE:
                    async with self._connection.dispatch(opened) as dispatch:
                        await dispatch.forget(run)
                elif _is_over(run, opened):
                    await fleet.table.forget(run.run_id)

    async def _measure(self) -> None:
        """Measure the space of universes that are shown, one after the other."""
        connection = self._connection
        while True:
            await asyncio.sleep(EVERY_S)
            while connection.unmeasured:
                universe = connection.unmeasured.pop()
                with self._noted("the space of universes"):
                    fleet = await asyncio.to_thread(connection.open)
                    size = await (await fleet.blobs_of(universe)).size()
                    stale = time.monotonic() + SPACE_S
                    connection.spaces[universe] = UsedSpace(size, self._clock.now(), stale)

    async def _watch(self) -> None:
        """Note what is away, what waits, and what a person is needed for, also for commands."""
        while not self._stopped.is_set():
            with self._noted("what waits in the fleet"):
                await self._look_around()
            await asyncio.sleep(WATCH_S)

    async def _look_around(self) -> None:
        connection, away = self._connection, {"database": "", "store": ""}
        try:
            fleet = await asyncio.to_thread(connection.open)
            found = await fleet.table.alike()
            explained = await explain(fleet, [run for run, _ in found])
            numbers = [number for _, number in found]
            connection.waits = list(zip(explained, numbers, strict=True))
            connection.begin_worker_for(explained)
            away["store"] = await fault_of_store(fleet)
        except AttractorError as fault:
            away["database"] = fault.in_one_line
        connection.note(away, self._clock.now())
        needs = FleetNeeds(self._clock.now(), [*needs_of_fleet(connection, self._own)])
        await asyncio.to_thread(publish_needs, connection.state, needs)

    @contextmanager
    def _noted(self, name: str) -> Generator[None]:
        """Go on after an error, which the page shows; it also shows that the database is away."""
        faults = self._connection.faults
        try:
            yield
        except (DatabaseAway, LockHeld):
            return
        except AttractorError as error:
            words = error.in_one_line
        except Exception as error:  # noqa: BLE001 - a person must see it, and the server goes on
            words = f"internal error: {error!r}"
        else:
            faults.pop(name, None)
            return
        self._show(name, RunFault("", words))

    def _show(self, name: str, fault: RunFault) -> None:
        """Show a fault on pages, and tell it when it is new."""
        faults = self._connection.faults
        if name not in faults or faults[name].words != fault.words:
            self._tell(f"fleet, {name}: {fault.words}")
        faults[name] = fault

    async def _look(self, fleet: "Fleet") -> None:
        """Sweep, and find the runs that changed."""
        if time.monotonic() > self._swept + SWEEP_S:
            self._swept = time.monotonic()
            await fleet.table.sweep(f"{HOLDER}{self._connection.name}")
        now = await fleet.table.now()
        found = await fleet.table.changed_since(self._since, self._projects())
        for run in found:
            if self._seen.get(run.run_id) != run.changed:
                step = partial(self._cancel_trials if run.pool == EVALUATE else self._settle, run)
                self._want(run.run_id, run.project, step)
        self._seen = {run.run_id: run.changed for run in found}
        self._since = now - LATE_S

    def _look_at_actors(self) -> None:
        """Find the actors in pools that changed, and have messages."""
        for folder, now in self._actors_with_messages():
            name = _name_of(folder)
            if not self._work.knows(name) and self._settled.get(name) != now:
                self._settled[name] = now
                self._want(name, folder.project.project_id, partial(self._take, folder))

    def _actors_with_messages(self) -> Iterator[tuple[ActorFolder, list[str]]]:
        """Yield the actors in pools that have messages, with their signatures."""
        for folder in list_actors(self._connection.state):
            # A damaged one is reported where actors are listed.
            with suppress(AttractorError, OSError):
                if Inbox(folder.inbox).has_messages():
                    now = folder.signature()
                    if folder.read(self._journals.of(folder)).actor.pool:
                        yield folder, now

    def _take(self, folder: ActorFolder) -> None:
        opened = self._project_of(folder.project.project_id).opened
        if not asyncio.run(begin_next(folder, opened, self._connection)):
            # A person is asked, whose answer changes nothing in the folder.
            self._settled.pop(_name_of(folder), None)

    def _want(self, name: str, project: str, step: Callable[[], object]) -> None:
        """Let a step for a run or an actor of a project be done until it succeeds."""

        def ended(error: Exception | None) -> None:
            if error is None:
                self._connection.faults.pop(name, None)
            elif not isinstance(error, TooManyProcesses | LockHeld):
                # A person must see it, and other runs go on.
                self._show(name, RunFault(project, words_of(error)))

        self._work.want(name, step, ended)

    def _settle(self, run: FleetRun) -> None:
        asyncio.run(self._bring(run, self._project_of(run.project)))

    def _cancel_trials(self, run: FleetRun) -> None:
        """Let the pool of evaluations play no more trials of a run that has ended, for a cancel."""
        opened = self._project_of(run.project).opened
        if run.state is not RowState.ENDED and not run.cancel and _is_over(run, opened):
            self._connection.read(lambda fleet: fleet.table.cancel(run.run_id))

    async def _bring(self, run: FleetRun, project: FleetProject) -> None:
        """Bring a run into its project, and do what its state wants."""
        opened = project.opened
        async with self._connection.dispatch(opened) as dispatch:
            if run.state is RowState.ENDED and dispatch.is_settled(run):
                return
            run = await dispatch.sync(run.run_id)
            root = opened.project.runs_dir / run.run_id
            if run.state is RowState.PARKED:
                await notify_of_wait(run, root, opened.project)
            if run.state is RowState.ENDED:
                ended = await settle_ended(root, opened, is_canceled=run.cancel)
                if ended.needs_resume:
                    _require_free(ended.root)
                    if not run.actor:
                        self._evaluate(run, ended.root, project)
                        return
                    project.complete(ended.root.name)
                if run.actor:
                    await asyncio.to_thread(answer_message, run, ended.root, opened)
                dispatch.note_settled(run)

    def _evaluate(self, run: FleetRun, root: Path, project: FleetProject) -> None:
        """Let a process deliver and evaluate a run, and look again: it may be killed."""
        if self._connection.has_evaluations and (away := [*self._connection.away.values()]):
            # Its process would end at once.
            raise StoreAway(f"the {away[0].name} of the fleet is away: {away[0].words}")
        tries = self._evaluated.get(run.run_id, 0)
        if tries == MOST_EVALUATIONS:
            raise Refused(
                f"the evaluation of {root.name} ended {tries} times without a verdict",
                hint=f"evaluate it, and see why: attractor resume {root.name}",
            )
        self._evaluated[run.run_id] = tries + 1
        try:
            project.resume(root.name)
        except TooManyProcesses:
            # None began: this was no try.
            self._evaluated[run.run_id] = tries
            raise
        raise LockHeld(f"{root.name} is evaluated by its own process")


def _name_of(folder: ActorFolder) -> str:
    return f"{folder.project.project_id}/{folder.name}"


def _is_over(trials: FleetRun, opened: OpenProject) -> bool:
    """Return whether the status of the run of trials is final: their results are not taken."""
    return summarize_any(opened.project.runs_dir / trials.directory).is_final


def _require_free(root: Path) -> None:
    """Refuse while another process, such as that of a person, evaluates a run."""
    if is_held(RunDirectory(root).lock):
        raise LockHeld(f"{root.name} is evaluated by another process")
