"""Reads open pull requests while the server runs, and at once after a webhook.

A project with an open pull request gets a thread of its own, which asks the forge as `attractor pr
sync` does. Another server or a person may have asked a moment ago: what was read then counts. If
the forge limits the rate, nothing sleeps, and no run stays locked. A server without a token asks
nothing.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from attractor.base.clock import Clock
from attractor.base.errors import AttractorError, LockHeld, words_of
from attractor.factory.errors import ForgeLimited, ForgeRefused, NoForge
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder, list_project_folders
from attractor.factory.pulls.forge import refuse_to_wait
from attractor.factory.pulls.readings import SHOWN, PullReading, PullReadings
from attractor.server.processes.keyed_work import KeyedWork

LOOK_S = 5.0
"""Look at the readings again after this time, or at once after a webhook."""

EVERY = timedelta(minutes=2)
"""A pull request is read again after this time."""

AGAIN_S = 600.0
"""A project whose forge refused, or for which there is no token, is tried again after this time."""

_BY = "serve"

AskedPulls = SimpleQueue[tuple[str, str]]
"""The id of a project, and the repository whose pull requests a webhook wants to be read."""


class PullLoop:
    """Looks at the open pull requests of all projects.

    `opened_of` returns a project by its id.
    """

    def __init__(
        self,
        state: Path,
        opened_of: Callable[[str], OpenProject],
        clock: Clock,
        asked: AskedPulls,
        tell: Callable[[str], None],
        every: timedelta = EVERY,
    ) -> None:
        self._state = state
        self._opened_of = opened_of
        self._clock = clock
        self._asking = asked
        self._tell = tell
        self._asked = set[tuple[str, str]]()
        self._every = every
        self._look_s = min(LOOK_S, every.total_seconds())
        self._looks_at = 0.0
        self._work = KeyedWork()
        self._pauses: dict[str, float] = {}
        self._limits: dict[str, float] = {}
        self._faults: dict[str, str] = {}

    def look(self) -> None:
        """Read what is due, and at once what a webhook named."""
        is_asked = False
        with suppress(Empty):
            while True:
                self._asked.add(self._asking.get_nowait())
                is_asked = True
        # Some stay asked for long: of a project that the forge limits, or that is gone.
        if not is_asked and time.monotonic() < self._looks_at:
            return
        self._looks_at = time.monotonic() + self._look_s
        for project in list_project_folders(self._state):
            # A damaged reading is a trouble of *Attention*.
            with suppress(AttractorError, OSError, RuntimeError):
                self._look(project)
        self._work.look()

    def _look(self, project: ProjectFolder) -> None:
        id_, now, tick = project.project_id, self._clock.now(), time.monotonic()
        readings = PullReadings.in_state(self._state, id_)
        if self._work.knows(id_) or tick < self._limits.get(id_, 0.0):
            return
        asked = {one for one in self._asked if one[0] == id_}
        self._asked -= asked
        repositories = {repository.casefold() for _, repository in asked}
        due, is_paused = list[PullReading](), tick < self._pauses.get(id_, 0.0)
        for reading in readings.all():
            is_old = now - reading.read >= self._every and not is_paused
            is_over = bool(reading.merged_outside) or reading.is_closed
            if is_over and now - reading.since > SHOWN:
                readings.remove(reading.repository, reading.number)
            elif reading.merged_outside:
                continue
            elif is_old or reading.repository.casefold() in repositories:
                due.append(reading)
        if due and project.root.is_dir():
            self._work.want(id_, partial(self._read, id_, due))

    def _read(self, project_id: str, due: list[PullReading]) -> None:
        # Imported here, because only open pull requests need a client of a forge.
        from attractor.factory.pulls.sync import sync_pull

        pause = self._every.total_seconds()
        for reading in due:
            try:
                opened = self._opened_of(project_id)
                root = opened.find(reading.run_id)
                asyncio.run(sync_pull(root, opened, by=_BY, sleep=refuse_to_wait))
                self._faults.pop(reading.url, None)
            except ForgeLimited as limited:
                self._limits[project_id] = time.monotonic() + limited.wait.total_seconds()
                for one in due:
                    self._asking.put((project_id, one.repository))
                return
            except (NoForge, ForgeRefused):
                # A refusal is a row of *Attention*.
                pause = max(pause, AGAIN_S)
            except LockHeld:
                # Another process works on the run: a later look reads its pull request.
                self._asking.put((project_id, reading.repository))
            except Exception as error:  # noqa: BLE001 - report it, and read the others
                self._report(reading.url, words_of(error))
        self._pauses[project_id] = time.monotonic() + pause

    def _report(self, url: str, fault: str) -> None:
        """Report a fault of a pull request, once for as long as it stays the same."""
        if self._faults.get(url) != fault:
            self._faults[url] = fault
            self._tell(f"{url} cannot be read: {fault}")
