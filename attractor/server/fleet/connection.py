"""The fleet of a server, opened at the first use and shared by all its requests."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused
from attractor.base.installation import install_command
from attractor.config.settings import Settings
from attractor.factory.open_project import OpenProject
from attractor.fleet.decisions import HOLDER
from attractor.fleet.dispatch.dispatch import Dispatch
from attractor.fleet.records import ReasonKind
from attractor.fleet.views.overview import ExplainedRun
from attractor.worlds.pools import is_fleet_installed

if TYPE_CHECKING:
    # It loads the database, which belongs to an extra.
    from attractor.fleet.dispatch.evaluations import TrialsInPool
    from attractor.fleet.fleet import Fleet

Result = TypeVar("Result")

BEGIN_S = 30.0
"""A worker that the server starts has this time to begin, before another one is started."""

PAUSE_S = 3.0
"""A fleet that could not be opened is tried again after this time."""


@dataclass(frozen=True)
class Away:
    """A part of the fleet that does not answer: `database` or `store`."""

    name: str
    words: str
    since: datetime


@dataclass(frozen=True)
class RunFault:
    """Why a step for a run of a project failed; without a project, one for all."""

    project: str
    words: str


@dataclass(frozen=True)
class UsedSpace:
    """The bytes of the blobs of a universe at a time; stale after the monotonic time `until`."""

    bytes: int
    at: datetime
    until: float


class FleetConnection:
    """The fleet that the settings name, or the one in the state folder.

    It may be used by any thread: its transactions and its requests to the store have no loop of
    their own.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.state = settings.state_dir
        self.pool = settings.fleet.pool
        """The pool of workers that name none."""
        self.has_evaluations = bool(settings.fleet.sealed_store)
        """Whether workers play trials, also of runs that are not in the fleet."""
        self.environ = environ
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        """The name of this server in the rows of the fleet."""
        self.has_workers = False
        """Whether the server starts workers, which may not have begun yet."""
        self.begin_worker: Callable[[], None] | None = None
        """Starts a worker of the pool, in a server that has one only if a run waits for it."""
        self.faults: dict[str, RunFault] = {}
        """Why the server's last step for a run failed, by the id of the run."""
        self.away: Mapping[str, Away] = {}
        self.waits: Sequence[tuple[ExplainedRun, int]] = ()
        """Waiting runs, one of each kind with their number, as they were a moment ago."""
        self.spaces: dict[str, UsedSpace] = {}
        """The space of universes, as it was measured last."""
        self.unmeasured: set[str] = set()
        """Universes that were shown, whose space is to be measured."""
        self._settings = settings
        self._database = settings.fleet.url.get_secret_value()
        self._fleet: Fleet | None = None
        self._fault: AttractorError | None = None
        self._tried = 0.0
        self._begun = -BEGIN_S
        self._opening = Lock()

    @property
    def is_there(self) -> bool:
        """Whether there is a fleet: the settings name one, or this machine has had a worker."""
        file = self.state / "fleet" / "fleet.sqlite"
        return is_fleet_installed() and bool(self._database or self.has_workers or file.exists())

    @property
    def takes_runs(self) -> bool:
        """Whether a run can begin in the fleet, which may be made for it."""
        return self.is_there or (is_fleet_installed() and self.begin_worker is not None)

    def make(self) -> None:
        """Make the fleet of this machine: a message to an actor in a pool waits for it."""
        # It loads the database, which takes a second.
        from attractor.fleet.fleet import Addresses

        Addresses.of_settings(self._settings)

    def with_evaluations(self, opened: OpenProject) -> OpenProject:
        """Return a project whose trials workers play, if the settings say so."""
        return replace(opened, elsewhere=self._evaluations) if self.has_evaluations else opened

    def _evaluations(self) -> "TrialsInPool":
        # They load the database, which takes a second.
        from attractor.fleet.dispatch.evaluations import TrialsInPool
        from attractor.fleet.fleet import Addresses

        return TrialsInPool(Addresses.of_settings(self._settings), self.environ)

    def begin_worker_for(self, waiting: Sequence[ExplainedRun]) -> None:
        """Start a worker if a run of this machine waits for one, and none was started lately."""
        is_early = time.monotonic() < self._begun + BEGIN_S
        if self.begin_worker is None or self._database or is_early:
            return
        kind = (self.pool, "", __version__)
        if any(
            one.reason
            and one.reason.kind is ReasonKind.NO_WORKER
            and (one.run.pool, one.run.label, one.run.engine) == kind
            for one in waiting
        ):
            self._begun = time.monotonic()
            self.begin_worker()

    def note(self, faults: Mapping[str, str], now: datetime) -> None:
        """Note which parts of the fleet do not answer now, and why."""
        before = self.away
        self.away = {
            name: Away(name, words, before[name].since if name in before else now)
            for name, words in faults.items()
            if words
        }

    def space_of(self, universe: str) -> UsedSpace | None:
        """Return the space of a universe, unless it was never measured; it will be, if stale.

        Nothing is measured here, because that lists the store.
        """
        found = self.spaces.get(universe)
        if found is None or found.until < time.monotonic():
            self.unmeasured.add(universe)
        return found

    def read(self, work: "Callable[[Fleet], Awaitable[Result]]") -> Result:
        """Return the result of work with the fleet; not for threads with a loop."""
        fleet = self.open()

        async def do() -> Result:
            return await work(fleet)

        return asyncio.run(do())

    def open(self) -> "Fleet":
        """Return the open fleet; raise an error without a fleet, or while its database is away."""
        if not self.is_there:
            raise no_fleet()
        with self._opening:
            if self._fleet is None:
                self._fleet = self._open()
            return self._fleet

    def _open(self) -> "Fleet":
        if self._fault and time.monotonic() < self._tried + PAUSE_S:
            raise self._fault
        # It loads the database, which takes a second.
        from attractor.fleet.database.database import open_database
        from attractor.fleet.fleet import Addresses, Fleet

        addresses = Addresses.of_settings(self._settings)
        try:
            database = asyncio.run(open_database(addresses.database))
        except AttractorError as fault:
            self._fault, self._tried = fault, time.monotonic()
            raise
        self._fault = None
        return Fleet(addresses, database, self.environ)

    @asynccontextmanager
    async def dispatch(self, opened: OpenProject) -> AsyncGenerator[Dispatch, None]:
        """Return the runs of a project in the fleet, during a block."""
        fleet = await asyncio.to_thread(self.open)
        # Each holder of its own: one that leaves must not end the beats of another.
        owner = f"{HOLDER}{self.name}-{secrets.token_hex(3)}"
        yield Dispatch(opened, fleet.table, fleet.blobs_of, owner)

    def close(self) -> None:
        """Close the database."""
        with self._opening:
            if self._fleet:
                self._fleet.database.close()
                self._fleet = None


def no_fleet() -> Refused:
    """Return the error of a request that needs a fleet where none is."""
    if not is_fleet_installed():
        return Refused(
            "the fleet is not installed", hint=f"install it: {install_command(extra='fleet')}"
        )
    return Refused(
        "there is no fleet", hint="begin a run in it: attractor run PIPELINE.dot --on POOL"
    )
