"""Starts apps of growth that were up when they, or the machine, went down."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, words_of
from attractor.growth.deployment.start import DownApp, apps_to_start, start_app

_AT_ONCE = 4
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 300.0


@dataclass(frozen=True)
class StartedApp:
    """An app that was down: now it answers at an address, or did not start because of a fault.

    Without either, a person stopped it meanwhile. The fault of an app that is tried again is told
    once.
    """

    app: DownApp
    url: str = ""
    fault: str = ""
    is_told: bool = False

    @property
    def words(self) -> str:
        """The result for people; "" if it was told."""
        if self.fault:
            return "" if self.is_told else f"the app does not start: {self.fault}"
        return f"the app answers again at {self.url}" if self.url else "a person stopped the app"


@dataclass(frozen=True)
class _Failure:
    """The last fault of an app, the time of the next attempt, and the pause before it."""

    fault: str
    until: float
    pause: float


class AppStarter:
    """Starts apps that were up, whatever their age, as often as they go down.

    One that does not start, because a setting or a disk is missing, is tried again after a pause.
    """

    def __init__(
        self, state: Path, environ: Mapping[str, str], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._state = state
        self._environ = {**environ, "ATTRACTOR_STATE_DIR": str(state)}
        self._now = now
        self._failures: dict[Path, _Failure] = {}

    @contextmanager
    def starting(self) -> Generator[Iterator[StartedApp]]:
        """Start the apps that are down during a block, which gets the results."""
        now, failures = self._now(), self._failures
        due = [
            app
            for app in apps_to_start(self._state)
            if (failure := failures.get(app.project.root)) is None or failure.until <= now
        ]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield pool.map(self._start, due)

    def _start(self, app: DownApp) -> StartedApp:
        last = self._failures.pop(app.project.root, None)
        try:
            return StartedApp(app, start_app(app, self._environ))
        except (AttractorError, OSError) as error:
            fault = words_of(error)
        pause = min(2 * last.pause, _LONGEST_PAUSE_S) if last else _FIRST_PAUSE_S
        self._failures[app.project.root] = _Failure(fault, self._now() + pause, pause)
        return StartedApp(app, fault=fault, is_told=last is not None and last.fault == fault)
