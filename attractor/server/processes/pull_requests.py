"""Reads pull requests again after webhooks, in a thread of its own.

A request is answered at once. If the forge limits the rate, the loop reads again after the reset:
nothing sleeps meanwhile, and no run stays locked.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Lock, Thread

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused
from attractor.factory.open_project import OpenProject

EVERY_S = 0.5
_BY = "webhook"


class _RateLimited(Refused):
    """The forge answers again after `wait`."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("the rate limit of the forge is reached")
        self.wait = wait


@dataclass(frozen=True)
class _SleeplessClock:
    """A clock of a project that refuses to sleep."""

    clock: Clock

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        return self.clock.now()

    def monotonic(self) -> float:
        """Return seconds that never decrease."""
        return self.clock.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Raise an error with the time to wait."""
        raise _RateLimited(duration)


@dataclass(frozen=True)
class _Wanted:
    """A repository of a project whose pull requests are to be read at a time of `monotonic`."""

    opened: OpenProject
    repository: str
    at: float


class PullRequestLoop:
    """Reads the open pull requests of repositories that webhooks named."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[Path, str], _Wanted] = {}
        self._turn = Lock()
        self._stopped = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin to read."""
        self._stopped.clear()
        self._thread = Thread(target=self._run, name="pull-requests", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin no more reads."""
        self._stopped.set()
        if self._thread:
            self._thread.join(10)

    def ask(self, opened: OpenProject, repository: str) -> None:
        """Let the pull requests of a repository be read; one that waits for a reset waits on."""
        self._add(opened, repository, time.monotonic())

    def _add(self, opened: OpenProject, repository: str, at: float) -> None:
        with self._turn:
            key = (opened.project.root, repository)
            self._wanted.setdefault(key, _Wanted(opened, repository, at))

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            for wanted in self._take_due():
                # Such as a ledger that cannot be read now: the next webhook asks again.
                with suppress(Exception):
                    self._read(wanted)

    def _take_due(self) -> list[_Wanted]:
        now = time.monotonic()
        with self._turn:
            due = {key: one for key, one in self._wanted.items() if one.at <= now}
            for key in due:
                del self._wanted[key]
        return [*due.values()]

    def _read(self, wanted: _Wanted) -> None:
        # Imported here, because only webhooks need a client of a forge.
        from attractor.factory.operations.pull_request import list_rounds, sync_pull_request

        project = wanted.opened.project
        machine = replace(project.machine, clock=_SleeplessClock(project.machine.clock))
        opened = OpenProject(replace(project, machine=machine))
        for listed in list_rounds(opened):
            if listed.ending or listed.round.repository != wanted.repository:
                continue
            try:
                root = opened.find(listed.round.run_id)
                asyncio.run(sync_pull_request(root, opened, by=_BY))
            except _RateLimited as limit:
                at = time.monotonic() + limit.wait.total_seconds()
                self._add(wanted.opened, wanted.repository, at)
                return
            except AttractorError as fault:
                project.console.tell(f"{listed.round.url}: {fault.in_one_line}")
