"""`attractor up` brings back an app that was up, after each kill and reboot; status says so."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.error import URLError

import pytest

from attractor.base.errors import Refused
from attractor.base.processes import signal_group
from attractor.cli.runs.growth import app_lines
from attractor.environments.orphan_processes import find_process
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder
from attractor.growth.api.deployments import describe_app
from attractor.growth.deployment.app_supervisor import AppSupervisor, app_process
from attractor.growth.deployment.start import DownApp
from attractor.growth.deployment.targets import local
from attractor.supervision.process import ProcessStatus
from attractor.worlds import apps
from attractor.worlds.apps import AppStarter, StartedApp
from tests.counts import count
from tests.growth.deployment.living import Living, make_released
from tests.growth.deployment.test_local import kill_process_in, processes_of, supervisor_of
from tests.growth.deployment.test_start import kill_all
from tests.patience import PATIENCE_S, wait_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KILLS = count(ci=2, full=30)
LONGEST_S = 10.0
DEPLOYING = """
import os, pathlib, sys
from attractor.growth.deployment.release import Releases
from attractor.growth.deployment.targets import local

with local.drained(Releases(pathlib.Path(sys.argv[1]))):
    os.kill(os.getpid(), 9)
"""


def kill_supervisor(app: Living) -> None:
    # One that a killed deployment told to end may just have ended.
    with suppress(ProcessLookupError):
        os.kill(supervisor_of(app), signal.SIGKILL)


def kill_app(app: Living) -> None:
    supervisor = supervisor_of(app)
    for one in processes_of(app):
        number = int(one.split()[0])
        if number != supervisor:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def kill_deployment(app: Living) -> None:
    """Kill a deployment that has stopped the app."""
    argv = [sys.executable, "-c", DEPLOYING, str(app.releases.folder)]
    assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL


def reboot(app: Living) -> None:
    """End all processes; after a boot, the id and the start in the note are those of a stranger."""
    kill_all(app)
    note, stranger = app.releases.folder / "app.json", find_process(os.getpid())
    assert stranger
    record = {**json.loads(note.read_text()), "pid": stranger.number, "started": stranger.started}
    note.write_text(json.dumps(record))


VICTIMS: tuple[Callable[[Living], None], ...] = (
    *(reboot, kill_deployment, kill_app, kill_supervisor),
)


def answers(app: Living) -> bool:
    with suppress(URLError, OSError):
        return app.get("/health")["ok"] is True
    return False


def brought_up(app: Living, starter: AppStarter) -> bool:
    """Look as `attractor up` does again and again; return whether the app answers.

    A supervisor that was killed, or told to end, may still be there at the first look.
    """
    with starter.starting() as started:
        assert [one.fault for one in started if one.fault] == []
    return answers(app) and app_process(app.releases.folder).status is ProcessStatus.RUNNING


@pytest.mark.crash
def test_app_answers_after_each_kill_and_no_record_is_lost(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    project = app.plane.project
    OpenProject(project).identity.create_id()
    starter, dice = AppStarter(project.machine.state_dir, os.environ), random.Random("up")
    ids = ["b1"]
    try:
        app.start(os.environ)
        for number in range(KILLS):
            ids.append(f"b{number + 2}")
            app.post("/data/block", {"id": ids[-1], "crop": "rye"})
            kill = VICTIMS[number] if number < len(VICTIMS) else dice.choice(VICTIMS)
            kill(app)
            wait_until(lambda: brought_up(app, starter))
            assert sorted(one["id"] for one in app.records()) == sorted(ids)
            assert describe_app(app.plane)["url"] == app.url
    finally:
        app.stop()


def test_dead_app_is_started_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_released(tmp_path / "app")
    current, ended = app.releases.current, Event()
    assert current
    monkeypatch.setattr("attractor.growth.deployment.app_supervisor._SETTLED_S", 0)
    supervisor = AppSupervisor(app.releases.folder, current, app.expected)
    watching = Thread(target=supervisor.watch, args=[ended])
    try:
        supervisor.ensure()
        watching.start()
        kill_process_in(current.tree)
        wait_until(lambda: answers(app))
    finally:
        ended.set()
        watching.join()
        supervisor.stop()


def test_stranger_on_the_port_of_an_app_is_not_taken_for_it(tmp_path: Path) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"ok": true}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    app = make_released(tmp_path / "app")
    try:
        port = int(app.start(os.environ).rpartition(":")[2])
        assert describe_app(app.plane)["next_run"]
        kill_all(app)
        with HTTPServer(("127.0.0.1", port), Stranger) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            assert answers(app)
            shown = describe_app(app.plane)
            server.shutdown()
    finally:
        app.stop()
    assert (shown["url"], shown["supervisor"], shown["next_run"]) == ("", "gone", "")
    lines = "\n".join(app_lines(shown))
    assert "running: v0 does not answer" in lines
    assert "no person stopped it; start it again: attractor up --once" in lines


def test_damaged_note_is_no_stop_of_a_person(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    try:
        app.start(os.environ)
        kill_all(app)
        (app.releases.folder / "app.json").write_text("")
        assert app_process(app.releases.folder).status is ProcessStatus.GONE
        local.stop(app.releases)
        assert app_process(app.releases.folder).status is ProcessStatus.NONE
    finally:
        app.stop()


def test_app_that_does_not_start_is_tried_again_after_longer_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    down = DownApp(ProjectFolder("id", Path("farm"), Path("runs")), ProcessStatus.GONE, NOW)
    tried, now = list[float](), 0.0

    def start(app: DownApp, environ: object) -> str:
        tried.append(now)
        if now < 30:
            raise Refused("growth.adapters.calendar.url is not set", hint="set it")
        return "http://127.0.0.1:1"

    def find(state: Path) -> list[DownApp]:
        return [down]

    monkeypatch.setattr(apps, "apps_to_start", find)
    monkeypatch.setattr(apps, "start_app", start)
    starter, words = AppStarter(Path("state"), {}, now=lambda: now), list[str]()
    while now < 40:
        with starter.starting() as started:
            words += [one.words for one in started if one.words]
        now += 1
    assert tried[:4] == [0, 5, 15, 35]
    assert words[:2] == [
        "the app does not start: growth.adapters.calendar.url is not set (set it)",
        StartedApp(down, "http://127.0.0.1:1").words,
    ]


UNMARKED = """
import fcntl, json, os, signal
from http.server import BaseHTTPRequestHandler, HTTPServer

class App(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ok": true}')

lock = open("app.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
server = HTTPServer(("127.0.0.1", 0), App)
note = {"pid": os.getpid(), "url": f"http://127.0.0.1:{server.server_port}", "stage": "v0"}
if child := os.fork():
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    os.close(lock.fileno())
    server.socket.close()
    os.waitpid(-1, 0)
else:
    with open("note", "w") as file:
        json.dump(note, file)
    os.rename("note", "keeper.json")
    server.serve_forever()
"""
"""A supervisor of a version whose notes have no mark, with its app in the same process group."""


@pytest.mark.parametrize("is_led", [True, False])
def test_app_of_a_version_without_marks_answers_and_is_stopped_or_restarted(
    tmp_path: Path, is_led: bool
) -> None:
    app = make_released(tmp_path / "app")
    folder = app.releases.folder
    for is_restarted in (False, True):
        for name in ("app.json", "keeper.json"):
            (folder / name).unlink(missing_ok=True)
        begun = [sys.executable, "-c", UNMARKED]
        with subprocess.Popen(begun, cwd=folder, start_new_session=True) as old:
            try:
                wait_until((folder / "keeper.json").exists)
                if not is_led:
                    old.kill()
                    old.wait(PATIENCE_S)
                assert describe_app(app.plane)["url"] == app.url
                _ = app.start(os.environ) if is_restarted else local.stop(app.releases)
                old.wait(PATIENCE_S)
                assert bool(local.find_address(app.releases)) == is_restarted
            finally:
                signal_group(old.pid, signal.SIGKILL)
                app.stop()
