"""The process that keeps the app of the current release running on this machine.

It starts the app, starts it again if it died or is not healthy, and runs its pipelines by the
schedules and the cadence of the specification. SIGTERM ends both. A release target starts it as a
process that stays.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import IO, cast

from attractor.base.clock import SystemClock
from attractor.base.cron import next_time
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.files import write_whole
from attractor.base.json import JsonObject, canonical_json, content_hash, parse_object
from attractor.base.records import read_record
from attractor.engine.storage.secrets import Redactor
from attractor.growth.apps.access import KEY_HASH, access_in, hash_of_key, key_header, new_key
from attractor.growth.apps.files import remove_compiled
from attractor.growth.apps.routes import PipelineRun, runs_of
from attractor.growth.apps.services import urls_in, variables_in
from attractor.growth.deployment import service
from attractor.growth.deployment.release import (
    BUBBLEWRAP,
    ExpectedRelease,
    Release,
    Releases,
    tree_hash,
)
from attractor.growth.deployment.transfer import require_healthy
from attractor.growth.errors import AppFailed
from attractor.growth.specification.files import read_spec
from attractor.growth.specification.graph import SpecGraph
from attractor.supervision.process import MARK, StayingProcess, held_lock

NOTE = "keeper.json"
RUNS = "cadence.json"
NO_NOTICES: JsonObject = {}

CADENCES: Mapping[str, timedelta] = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "nightly": timedelta(days=1),
    "weekly": timedelta(weeks=1),
}
"""The cadences that run pipelines; with other words, people run them."""

_CHECK_S = 30.0
# An app that dies is started again at once, but one that dies at its start not all the time.
_POLL_S = 1.0
_SETTLED_S = 3.0
_START_S = 60.0
_GRACE_S = 10.0
_LONGEST_RUN_S = 600.0


def app_process(folder: Path) -> StayingProcess:
    """Return the supervisor of the app whose releases are in a folder, as a process that stays."""
    return StayingProcess("app", folder)


def settings_hash(environ: Mapping[str, str], release: Release) -> str:
    """Return a hash of the settings of the services that a release calls."""
    settings: JsonObject = {**variables_in(environ, release.tree), **access_in(environ)}
    return content_hash(canonical_json(settings).encode())


def next_run(folder: Path, release: Release) -> datetime | None:
    """Return when the supervisor runs the next pipeline; None if no time runs one.

    The first run of a pipeline follows one period after the start of its app, or at the first time
    of its schedule.
    """
    ran, now = _read_runs(folder), SystemClock().now()
    timed = timed_runs(read_spec(release.tree))
    return min((one.follows(ran.get(one.key, now)) for one in timed), default=None)


@dataclass(frozen=True)
class TimedRun:
    """A pipeline that runs once a period, or at the times of a schedule."""

    key: str
    """The key of the last run in `cadence.json`."""

    pipeline: str
    when: str
    every: timedelta = timedelta()
    step: str = ""
    """The only step that runs, with its gates (default: all)."""

    def follows(self, last: datetime) -> datetime:
        """Return the time of the run after the last one: missed runs are one run."""
        return next_time(self.when, last) if self.when else last + self.every


def timed_runs(spec: SpecGraph) -> Sequence[TimedRun]:
    """Return the runs of the schedules, and by the cadence those of pipelines without one."""
    runs = [
        TimedRun(f"{schedule.id}/{step or pipeline} {when}", pipeline, when, step=step)
        for schedule in spec.of_kind("schedule")
        if (when := str(schedule.fields.get("when", "")))
        for pipeline, step in runs_of(spec, schedule)
    ]
    words = str(spec["deployment"].fields.get("cadence", "")) if "deployment" in spec else ""
    if every := CADENCES.get(words):
        scheduled = {one.pipeline for one in runs if not one.step}
        pipelines = [one.id for one in spec.of_kind("pipeline") if one.id not in scheduled]
        runs += [TimedRun(one, one, "", every) for one in pipelines]
    return runs


def _read_runs(folder: Path) -> dict[str, datetime]:
    """Return the time of the last run by key (default: none, also of a damaged file)."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        ran: dict[str, float] = json.loads((folder / RUNS).read_text())
        return {key: datetime.fromtimestamp(one, UTC) for key, one in ran.items()}
    return {}


def _write_runs(folder: Path, ran: Mapping[str, datetime]) -> None:
    write_whole(folder / RUNS, json.dumps({key: one.timestamp() for key, one in ran.items()}))


class AppSupervisor:
    """The app of a release as a process, and the times of its pipelines."""

    def __init__(
        self,
        folder: Path,
        release: Release,
        expected: ExpectedRelease,
        notices: JsonObject = NO_NOTICES,
    ) -> None:
        self.folder = folder
        self.release = release
        self.expected = expected
        self.notices = notices
        self.url = ""
        self._timed = timed_runs(read_spec(release.tree))
        self._process: subprocess.Popen[str] | None = None
        self._reading: threading.Thread | None = None
        self._begun = 0.0
        self._key = new_key()

    def ensure(self) -> None:
        """Start the app unless it is healthy, or raise AppFailed."""
        if self._process and self._process.poll() is None and self._is_healthy():
            self._write_note()
            return
        if self._process:
            _log(f"{self.release.record.stage} does not answer: starting it again")
        self.stop()
        self.url = ""
        self._require_expected_tree()
        words = (self.release.folder.name, self.expected.sandbox)
        # The address stays the same over releases and restarts, if its port is free.
        for port in (last_port(self.folder), 0):
            self._begun = time.monotonic()
            environ = {**os.environ, KEY_HASH: hash_of_key(self._key)}
            passed = os.environ.pop(service.LISTENER, "")
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", service.__name__, str(self.folder), str(port), *words],
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                # The app may outlive a supervisor that is killed.
                pass_fds=[*held_lock(environ), *([int(passed)] if passed else [])],
            )
            if passed:
                # Otherwise the app could not listen there again after a crash.
                os.close(int(passed))
            assert self._process.stdout
            lines = queue.SimpleQueue[str]()
            self._reading = threading.Thread(
                target=_read, args=[self._process.stdout, lines], daemon=True
            )
            self._reading.start()
            with suppress(queue.Empty):
                self.url = lines.get(timeout=_START_S)
            if self.url or not self._lost_its_port():
                break
            self.stop()
        if not self._is_healthy():
            self.stop()
            self.url = ""
            raise AppFailed(f"{self.release.record.stage} is not healthy")
        self._write_note()

    def _write_note(self) -> None:
        """Note the address of the app; a note that was edited is written again."""
        services = urls_in(os.environ, self.release.tree)
        stage = self.release.record.stage
        note: JsonObject = {
            "mark": os.environ.get(MARK, ""),
            "url": self.url,
            "stage": stage,
            "services": dict(services),
            "settings": settings_hash(os.environ, self.release),
        }
        file, text = self.folder / NOTE, canonical_json(note)
        if not file.is_file() or file.read_bytes() != text.encode():
            write_whole(file, text, mode=0o600)

    def _lost_its_port(self) -> bool:
        """Return whether the app may try another port: people know the one that it had.

        An app without a sandbox does not say why it ended.
        """
        if self.expected.sandbox != BUBBLEWRAP or self._process is None:
            return True
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(_POLL_S) == service.PORT_TAKEN
        return False

    def _require_expected_tree(self) -> None:
        """Refuse a tree that was edited since the ledger was asked."""
        remove_compiled(self.release.tree)
        if tree_hash(self.release.files()) != self.expected.tree:
            fault = f"{self.release.record.stage} is not started: its files were edited"
            raise AppFailed(fault, hint="name them: attractor spec verify")

    def watch(self, ended: threading.Event) -> None:
        """Run due pipelines, and start the app again if it died, until an event."""
        self._forget_other_runs()
        has_failed = False
        while not ended.is_set():
            self.run_due()
            self._pause(ended)
            url = self.url
            try:
                if not ended.is_set():
                    self.ensure()
                has_failed = False
            except AppFailed as error:
                _log(f"{error.message}; the next try follows in {_CHECK_S:.0f} s")
                if not has_failed:
                    self._notify(error.message, url)
                has_failed = True

    def _forget_other_runs(self) -> None:
        """Forget schedules of earlier releases: one that comes back has missed nothing."""
        ran, known = _read_runs(self.folder), {one.key for one in self._timed}
        if not ran.keys() <= known:
            _write_runs(self.folder, {key: at for key, at in ran.items() if key in known})

    def _pause(self, ended: threading.Event) -> None:
        """Wait for the next check: a while, or until the app dies."""
        until = time.monotonic() + _CHECK_S
        while (now := time.monotonic()) < until and not ended.wait(min(_POLL_S, until - now)):
            has_died = self._process is not None and self._process.poll() is not None
            if has_died and now - self._begun > _SETTLED_S:
                return

    def _notify(self, words: str, url: str) -> None:
        """Notify people that the app stopped answering; log a failure."""
        if not self.notices:
            return
        # Most supervisors never need it, and it is slow to import.
        from attractor.growth.deployment import app_notices

        try:
            fault = app_notices.send(self.notices, self.release.record.stage, words, url)
        except AttractorError as error:
            fault = error.message
        if fault:
            _log(f"notification failed: {Redactor([str(self.notices['url'])]).text(fault)}")

    def _is_healthy(self) -> bool:
        try:
            require_healthy(self.url)
        except AppFailed:
            return False
        return True

    def run_due(self) -> None:
        """Run the pipelines that are due, each at most once a time.

        A run is noted first: its calls of services may be irreversible, so a killed supervisor does
        not repeat it.
        """
        if not self._timed or not self.url:
            return
        ran, now = _read_runs(self.folder), SystemClock().now()
        for one in self._timed:
            is_first = one.key not in ran
            if not is_first and now < one.follows(ran[one.key]):
                continue
            ran[one.key] = now
            _write_runs(self.folder, ran)
            if not is_first:
                address = f"{self.url}{PipelineRun(one.pipeline, one.step).path}"
                headers = {**key_header(self._key)}
                request = urllib.request.Request(address, headers=headers, method="POST")
                try:
                    urllib.request.urlopen(request, timeout=_LONGEST_RUN_S).close()
                except OSError as error:
                    _log(f"{one.step or one.pipeline} failed: {error}")

    def stop(self) -> None:
        """Stop the app, and wait until it has answered its requests."""
        process, self._process = self._process, None
        if process:
            process.terminate()
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._reading:
            # The end of the output belongs into the log as well.
            self._reading.join(_GRACE_S)


def _read(output: IO[str], lines: "queue.SimpleQueue[str]") -> None:
    """Pass the address on, and an empty line at the end; copy all to the log, without tokens."""
    redactor = Redactor.of_environment(os.environ)
    with output:
        for line in output:
            if line.startswith(service.READY):
                lines.put(line.removeprefix(service.READY).strip())
            sys.stderr.write(redactor.text(line))
    lines.put("")


def _log(words: str) -> None:
    now = SystemClock().now().isoformat(timespec="seconds")
    sys.stderr.write(f"{now} {words}\n")


def last_port(folder: Path) -> int:
    """Return the port on which the app answered last (default: 0)."""
    with suppress(OSError, ValueError):
        return int(json.loads((folder / NOTE).read_text())["url"].rpartition(":")[2])
    return 0


def main(folder: Path) -> None:
    """Keep the app of the current release running until a signal.

    Standard input has what the ledger says of the release, and the settings of notices.
    """
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    given = parse_object(sys.stdin.buffer.read()) or {}
    expected = read_record(ExpectedRelease, cast("JsonObject", given["expected"]))
    notices = cast("JsonObject", given["notices"])
    release = Releases(folder).current
    if release is None:
        raise SystemExit(f"{folder} has no current release")
    supervisor = AppSupervisor(folder, release, expected, notices)
    try:
        supervisor.ensure()
        supervisor.watch(ended)
    except AppFailed as error:
        raise SystemExit(error.in_one_line) from error
    finally:
        supervisor.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
