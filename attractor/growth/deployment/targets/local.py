"""Runs the app as a process of this machine, with a health check and pipelines by cadence."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from attractor.base.errors import Unavailable
from attractor.base.files import read_regular
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.base.locks import FileLock, open_to_lock, try_lock
from attractor.base.processes import signal_group
from attractor.environments.environment import Inherit, inherited
from attractor.growth.deployment import app_supervisor
from attractor.growth.deployment.release import Releases
from attractor.growth.deployment.service import certificates_in
from attractor.growth.deployment.target import ReleaseTarget
from attractor.growth.deployment.transfer import require_healthy
from attractor.growth.errors import AppFailed

_PATIENCE_S = 30.0
_GRACE_S = 5.0
_ANSWER_S = 3.0


@contextmanager
def drained(releases: Releases) -> Generator[None]:
    """Stop supervisor and app, and hold the supervisor's lock during the block."""
    releases.folder.mkdir(parents=True, exist_ok=True)
    pid = app_supervisor.running(releases.folder)
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    lock = FileLock(releases.folder / app_supervisor.LOCK)
    with lock.acquire(wait=_PATIENCE_S, purpose="attractor: deploy"):
        _end_orphan(releases.folder)
        yield


def start(
    releases: Releases,
    environ: Mapping[str, str],
    services: Mapping[str, str] = MappingProxyType({}),
    notices: JsonObject = MappingProxyType({}),
) -> str:
    """Start the supervisor unless it runs; return the address of the app once it is healthy.

    A supervisor that runs serves the current release, because a switch waits for its end. It is
    started again if the settings of the services changed since. With settings of `notices`,
    people are notified if the app stops answering.
    """
    current = releases.current
    wanted = app_supervisor.settings_hash(services, current) if current else ""
    log = releases.folder / app_supervisor.LOG
    if not app_supervisor.running(releases.folder):
        with log.open("ab") as output:
            # It ends once the app is healthy, or not; the supervisor outlives it.
            subprocess.run(
                [sys.executable, "-m", app_supervisor.__name__, str(releases.folder)],
                cwd=releases.folder,
                env={**inherited(environ, Inherit.CORE), **certificates_in(environ), **services},
                input=canonical_json(notices).encode(),
                stdout=subprocess.DEVNULL,
                stderr=output,
                check=False,
            )
    until = time.monotonic() + _PATIENCE_S
    while (pid := app_supervisor.running(releases.folder)) and time.monotonic() < until:
        note = _note(releases.folder)
        if note.get("pid") == pid:
            if note.get("settings") == wanted:
                return str(note["url"])
            with drained(releases):
                pass
            return start(releases, environ, services, notices)
        # A supervisor of a killed deployment is just starting.
        time.sleep(0.05)
    raise Unavailable("the app did not become healthy", hint=f"read {log}")


def find_address(releases: Releases) -> str:
    """Return the address of the running app, or "" if it does not answer."""
    url = str(_note(releases.folder).get("url", ""))
    try:
        require_healthy(url, within=_ANSWER_S)
    except AppFailed:
        return ""
    return url


def find_services(releases: Releases) -> Mapping[str, Json]:
    """Return the addresses of the services that the running app calls, by adapter."""
    services = _note(releases.folder).get("services")
    return services if isinstance(services, dict) else {}


def _end_orphan(folder: Path) -> None:
    """End the app of a supervisor that was killed."""
    with open_to_lock(folder / app_supervisor.APP_LOCK) as file:
        if try_lock(file):
            return
        group = _note(folder).get("pid")
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal_group(int(str(group)), number)
            until = time.monotonic() + _GRACE_S
            while time.monotonic() < until:
                if try_lock(file):
                    return
                time.sleep(0.02)
    raise Unavailable("the app does not end", hint=f"end it by hand: process group {group}")


def _note(folder: Path) -> JsonObject:
    """Return the note of the supervisor about itself."""
    file = folder / app_supervisor.NOTE
    value = parse_json(read_regular(file)) if file.exists() else {}
    return value if isinstance(value, dict) else {}


part = ReleaseTarget(drained=drained, start=start)
