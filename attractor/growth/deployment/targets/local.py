"""Runs the app as a process of this machine, with a health check and pipelines by cadence."""

import os
import signal
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType

from attractor.base.errors import Unavailable
from attractor.base.files import is_running, read_regular
from attractor.base.json import Json, JsonObject, canonical_json, parse_object
from attractor.base.processes import signal_group
from attractor.base.records import write_record
from attractor.environments.environment import Inherit, inherited
from attractor.growth.deployment import app_supervisor
from attractor.growth.deployment.app_supervisor import app_process
from attractor.growth.deployment.release import ExpectedRelease, Releases
from attractor.growth.deployment.resting_app import RestingApp
from attractor.growth.deployment.service import LISTENER, certificates_in
from attractor.growth.deployment.target import ReleaseTarget
from attractor.growth.deployment.transfer import require_healthy
from attractor.growth.errors import AppFailed
from attractor.supervision.process import ProcessStatus

_START_S = 180.0
_DRAIN_S = 30.0
_ANSWER_S = 3.0


@contextmanager
def drained(releases: Releases, resting: RestingApp | None = None) -> Generator[None]:
    """Stop supervisor and app, and keep them stopped during the block.

    A resting app answers in its place, also after the block. A supervisor whose pipeline runs too
    long is not killed: its calls may be irreversible.
    """
    port = app_supervisor.last_port(releases.folder)
    group = _unmarked(releases.folder)
    if group:
        end = os.kill if is_running(group) else signal_group
        end(group, signal.SIGTERM)
    if resting and find_address(releases):
        resting.answer(port)
    with app_process(releases.folder).ended(grace=_DRAIN_S, kills=False):
        if resting:
            # An app without a sandbox does not share its port.
            resting.answer(port)
        yield


def stop(releases: Releases) -> None:
    """Stop supervisor and app, until a person starts them."""
    with drained(releases):
        app_process(releases.folder).forget()


def start(
    releases: Releases,
    environ: Mapping[str, str],
    expected: ExpectedRelease,
    services: Mapping[str, str] = MappingProxyType({}),
    notices: JsonObject = MappingProxyType({}),
    resting: RestingApp | None = None,
) -> str:
    """Start the supervisor unless it runs; return the address of the app once it is healthy.

    A supervisor that runs serves the current release, because a switch waits for its end. It is
    started again if the settings of the services changed since. An app whose supervisor was killed
    is ended first, and so is one that a version without marks started. Before each start of the
    app, its tree must be the `expected` one. With settings of `notices`, people are notified if the
    app stops answering. The supervisor takes the address of a `resting` app over.
    """
    current = releases.current
    wanted = app_supervisor.settings_hash(services, current) if current else ""
    given: JsonObject = {"expected": write_record(expected), "notices": dict(notices)}
    process = app_process(releases.folder)
    if _unmarked(releases.folder):
        with drained(releases):
            pass
    listener = resting.hand_over() if resting else None
    passed = [listener.fileno()] if listener else []
    handed = {LISTENER: str(passed[0])} if passed else {}
    with listener or nullcontext():
        process.start(
            [sys.executable, "-m", app_supervisor.__name__, str(releases.folder)],
            cwd=releases.folder,
            environ={
                **inherited(environ, Inherit.CORE),
                **certificates_in(environ),
                **services,
                **handed,
            },
            stdin=canonical_json(given).encode(),
            pass_fds=passed,
        )
    until = time.monotonic() + _START_S
    while process.status is ProcessStatus.RUNNING and time.monotonic() < until:
        note = _note(releases.folder)
        if note.get("mark") == process.mark:
            if note.get("settings") == wanted:
                return str(note["url"])
            with drained(releases):
                pass
            return start(releases, environ, expected, services, notices)
        time.sleep(0.05)
    raise Unavailable("the app did not become healthy", hint=f"read {process.log}")


def find_address(releases: Releases) -> str:
    """Return the address of the running app, or "" if it does not answer.

    After a kill or a reboot, another program may answer on the port of the app: without a living
    supervisor or app of the last start there is no address.
    """
    process, note = app_process(releases.folder), _note(releases.folder)
    is_alive = process.status in (ProcessStatus.RUNNING, ProcessStatus.LEFT)
    if not is_alive or note.get("mark", "") != process.mark:
        return ""
    url = str(note.get("url", ""))
    try:
        require_healthy(url, within=_ANSWER_S)
    except AppFailed:
        return ""
    return url


def find_services(releases: Releases) -> Mapping[str, Json]:
    """Return the addresses of the services that the running app calls, by adapter."""
    services = _note(releases.folder).get("services")
    return services if isinstance(services, dict) else {}


def _unmarked(folder: Path) -> int:
    """Return the process group of an app that a version without marks started; 0 if none runs."""
    process, note = app_process(folder), _note(folder)
    group = note.get("pid")
    # While a process of the group lives, the kernel gives its number to no other process.
    is_alive = process.status is ProcessStatus.RUNNING and not process.mark
    return group if isinstance(group, int) and "mark" not in note and is_alive else 0


def _note(folder: Path) -> JsonObject:
    """Return the note of the supervisor about the app that it serves."""
    file = folder / app_supervisor.NOTE
    return (parse_object(read_regular(file)) if file.exists() else None) or {}


part = ReleaseTarget(drained=drained, start=start)
