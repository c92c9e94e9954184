"""The release target `local`: a supervisor and an app, as processes of this machine."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest

from attractor.cli.runs.growth import app_lines
from attractor.growth.api.deployments import describe_app, record_traffic
from attractor.growth.deployment import service as service_process
from attractor.growth.deployment.app_notices import settings_of
from attractor.growth.deployment.app_supervisor import AppSupervisor, app_process
from attractor.growth.deployment.release import BUBBLEWRAP, NONE
from attractor.growth.deployment.targets import local
from attractor.growth.morph import read_morph
from attractor.growth.simulation.traffic import read_recordings
from attractor.growth.specification.files import read_spec, write_spec
from attractor.growth.tools import copied_adapters
from attractor.pipeline.project.project import Notify
from attractor.supervision.process import ProcessStatus
from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import load_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.growth.deployment.living import Living, make_released
from tests.growth.test_adapters import TWINS
from tests.needs import needs_bubblewrap
from tests.patience import wait_until
from tests.pipeline.projects import adjusted, open_project

SANDBOXES = (pytest.param(BUBBLEWRAP, marks=needs_bubblewrap), NONE)
KEY = "key-of-the-operator"
SEEN = ("/proc/*/environ", "/proc/*/cmdline", "/workspace/**", "/tmp/**", "/run/**")
"""Files in a sandbox that might contain a token."""
PROBE = """
def probe(path):
    def attempt(act):
        try:
            return act()
        except Exception:
            return "refused"

    def call():
        from app.adapters.calendar import part
        from app.adapters.http_client import HttpClient

        client = HttpClient(os.environ["CALENDAR_URL"], os.environ["CALENDAR_TOKEN"], part)
        return client.call("list_events", {"calendar": "farm"})

    def go_round():
        request = urllib.request.Request(
            os.environ["CALENDAR_URL"] + "/calendars/farm/events",
            b'{"title": "Kale", "start": "2026-01-06"}',
            {"authorization": "Bearer " + os.environ["CALENDAR_TOKEN"]},
        )
        try:
            return urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error:
            return json.load(error)

    for output in (sys.stdout, sys.stderr):
        print("probed with", os.environ.get("CALENDAR_TOKEN"), file=output, flush=True)
    files, patterns = json.loads(pathlib.Path(path).read_text())
    seen = [one for pattern in patterns for one in glob.glob(pattern, recursive=True)]
    return {
        "variables": dict(os.environ),
        "read": [attempt(pathlib.Path(one).read_text) for one in files],
        "written": [attempt(lambda: open(one, "w").close()) for one in ("app/x", *files)],
        "called": attempt(call),
        "gone_round": attempt(go_round),
        "seen": {one: attempt(lambda: open(one, errors="replace").read()) for one in seen},
    }


class Handler"""


def answer_probes(app: Living) -> None:
    """Let the released app try to read and to write the files that its file `probe` names."""
    file = app.releases.folder / "v0/tree/app/__main__.py"
    get = 'if self.path == "/health":'
    asked = 'if self.path == "/probe":\n            return self.answer(probe(STATE / "probe"))\n'
    text = file.read_text().replace("class Handler", PROBE.strip())
    text = f"import glob, urllib.error, urllib.request\n{text}"
    file.write_text(text.replace(get, f"{asked}        {get}", 1))


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_released_app_gets_no_key_and_in_a_sandbox_only_its_state(
    tmp_path: Path, sandbox: str
) -> None:
    app = make_released(tmp_path / "app", sandbox=sandbox)
    answer_probes(app)
    secret = tmp_path / "key"
    secret.write_text(KEY)
    holdout = next((tmp_path / "suite").rglob("*.toml"))
    files = [str(one) for one in (secret, holdout, app.releases.folder / "v0/release.json")]
    current = app.releases.current
    assert current
    patterns = SEEN if sandbox == BUBBLEWRAP else ()
    (current.state / "probe").write_text(json.dumps([files, patterns]))
    write_adapter(current.tree)
    service = ServiceTwin(load_service(TWINS / "calendar"))
    try:
        with in_background(service):
            trusted = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
            variables = {**os.environ, **trusted, "DATABASE_URL": KEY, "SOME_API_KEY": KEY}
            settings = service.environ()
            app.start(variables, settings)
            lines = [*app_lines(describe_app(app.plane))]
            found = app.get("/probe")
            kept = Path(f"/proc/{supervisor_of(app)}/environ").read_text().split("\0")
        assert f"SSL_CERT_FILE={tmp_path}/ca.pem" in kept
        assert (found["variables"].items() >= trusted.items()) == (sandbox == NONE)
        assert KEY not in found["variables"].values()
        # In the sandbox, no network but the gateway leads to the service.
        assert found["called"] == {"items": []}
        token = settings["CALENDAR_TOKEN"]
        assert (token in json.dumps(found)) == (sandbox == NONE)
        assert f"  calls calendar at {settings['CALENDAR_URL']}" in lines
        if sandbox == BUBBLEWRAP:
            assert found["gone_round"] == {"error": "no step declares calendar.create_event"}
            assert {"/proc/1/environ", "/workspace/app/__main__.py"} <= found["seen"].keys()
            assert found["read"] == ["refused"] * 3
            assert found["written"] == ["refused"] * 4
            assert secret.read_text() == KEY
    finally:
        app.stop()
    log = (app.releases.folder / "app.log").read_text()
    assert (log.count("probed with"), token in log) == (2, False)


def write_adapter(tree: Path) -> None:
    """Let the app in a tree read the calendar."""
    for path, text in copied_adapters(["calendar"]).items():
        (tree / path).parent.mkdir(exist_ok=True)
        (tree / path).write_text(text)
    graph = read_spec(tree)
    pipeline = "contract_allocation"
    step = {"type": "add_step", "pipeline": pipeline, "name": "Look", "reads": ["calendar"]}
    for morph in ({"type": "add_source", "name": "Calendar"}, step):
        graph = read_morph(morph).apply(graph)
    write_spec(graph, tree)


def test_changed_settings_of_a_service_start_the_app_again(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    answer_probes(app)
    current, note = app.releases.current, app.releases.folder / "keeper.json"
    assert current
    write_adapter(current.tree)
    (current.state / "probe").write_text("[[], []]")
    settings = {"CALENDAR_URL": "http://127.0.0.1:9", "CALENDAR_TOKEN": "token-before"}
    try:
        url = app.start(os.environ, settings)
        app.post("/data/block", {"id": "b2", "crop": "oat"})
        before = note.read_text()
        assert app.start(os.environ, settings) == url
        assert note.read_text() == before
        changed = {**settings, "CALENDAR_TOKEN": "token-after"}
        assert app.start(os.environ, changed) == url
        assert app.get("/probe")["variables"]["CALENDAR_TOKEN"] == "token-after"
        assert len(app.records()) == 2
        assert "token" not in note.read_text()
    finally:
        app.stop()


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_app_gets_the_secrets_of_its_hooks_and_no_others(tmp_path: Path, sandbox: str) -> None:
    app = make_released(tmp_path / "app", sandbox=sandbox)
    answer_probes(app)
    current = app.releases.current
    assert current
    hook = {"type": "add_hook", "name": "Shop", "receives": "Block", "runs": "contract_allocation"}
    write_spec(read_morph(hook).apply(read_spec(current.tree)), current.tree)
    (current.state / "probe").write_text("[[], []]")
    try:
        for secret in ("first", "second"):
            variables = {"HOOK_SHOP_SECRET": secret, "HOOK_OTHER_SECRET": secret}
            app.start({**os.environ, **variables}, variables)
            found = app.get("/probe")["variables"]
            assert (found["HOOK_SHOP_SECRET"], "HOOK_OTHER_SECRET" in found) == (secret, False)
    finally:
        app.stop()


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_supervisor_runs_due_pipelines_and_its_orphan_is_ended(
    tmp_path: Path, sandbox: str
) -> None:
    app = make_released(tmp_path / "app", sandbox=sandbox)
    folder = app.releases.folder
    (folder / "cadence.json").write_text(json.dumps({"contract_allocation": 0}))
    try:
        url = app.start(os.environ)
        assert app.start(os.environ) == url
        current = app.releases.current
        assert current
        # The specification says nightly, and the pipeline ran long ago.
        cadence, note = folder / "cadence.json", current.state / "ran"
        wait_until(lambda: note.exists() and note.read_text() == "/run/contract_allocation")
        ran = datetime.fromtimestamp(json.loads(cadence.read_text())["contract_allocation"], UTC)
        due = (ran + timedelta(days=1)).isoformat(timespec="seconds")
        assert f"  next run of a pipeline: {due}" in [*app_lines(describe_app(app.plane))]
        os.kill(supervisor_of(app), signal.SIGKILL)
        # The app outlives its supervisor, and would write into a state that was already copied.
        assert app.get("/health")["ok"]
        wait_until(lambda: app_process(folder).status is ProcessStatus.LEFT)
        left = processes_of(app)
        lines = "\n".join(app_lines(describe_app(app.plane)))
        assert f"{url}" in lines
        assert "its supervisor was killed" in lines
        assert "next run of a pipeline" not in lines
        assert app.start(os.environ) == url
        assert app.get("/health")["ok"]
        assert left
        assert not left & processes_of(app)
        os.kill(supervisor_of(app), signal.SIGKILL)
        with local.drained(app.releases), pytest.raises(URLError):
            app.get("/health")
    finally:
        app.stop()


def test_supervisor_notes_a_run_before_its_request(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    file, current = app.releases.folder / "cadence.json", app.releases.current
    assert current
    file.write_text(json.dumps({"contract_allocation": 0}))
    noted: list[float] = []

    class App(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            noted.append(json.loads(file.read_text())["contract_allocation"])
            self.send_error(HTTPStatus.BAD_GATEWAY)

    supervisor = AppSupervisor(app.releases.folder, current, app.expected)
    with HTTPServer(("127.0.0.1", 0), App) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        supervisor.url = f"http://127.0.0.1:{server.server_port}"
        supervisor.run_due()
        thread.join()
    supervisor.stop()
    assert noted[0] > 0


def test_crashed_app_is_notified_once_and_started_again_until_it_is_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    app = make_released(tmp_path / "app")
    folder, current = app.releases.folder, app.releases.current
    assert current
    notify = Notify(
        command="cat >> told.jsonl", folder=tmp_path, variables={"PATH": "/usr/bin:/bin"}
    )
    opened = adjusted(open_project(tmp_path), notify=notify)
    supervisor = AppSupervisor(folder, current, app.expected, settings_of(opened))
    monkeypatch.setattr("attractor.growth.deployment.app_supervisor._CHECK_S", 0.05)
    ended = threading.Event()
    watching = threading.Thread(target=supervisor.watch, args=[ended])
    code = current.tree / "app" / "__main__.py"
    text = code.read_text()
    try:
        supervisor.ensure()
        before = supervisor.url
        code.write_text("raise SystemExit('broken')")
        kill_process_in(current.tree)
        watching.start()
        for _ in range(2):
            wait_until(lambda: "next try" in capfd.readouterr().err)
        [notice] = map(json.loads, (tmp_path / "told.jsonl").read_text().splitlines())
        assert (notice["kind"], notice["address"]) == ("app", before)
        assert notice["command"] == "attractor grow status"
        code.write_text(text)
        wait_until(lambda: supervisor.url == before and app.get("/health")["ok"])
    finally:
        ended.set()
        watching.join()
        supervisor.stop()


@needs_bubblewrap
def test_killed_gateway_ends_its_app_and_both_start_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_released(tmp_path / "app", sandbox=BUBBLEWRAP)
    answer_probes(app)
    folder, current = app.releases.folder, app.releases.current
    assert current
    write_adapter(current.tree)
    (current.state / "probe").write_text("[[], []]")
    service = ServiceTwin(load_service(TWINS / "calendar"))
    supervisor = AppSupervisor(folder, current, app.expected)
    try:
        with in_background(service):
            for name, value in service.environ().items():
                monkeypatch.setenv(name, value)
            supervisor.ensure()
            assert app.get("/probe")["called"] == {"items": []}
            first, *others = _descendants(os.getpid(), f"{service_process.__name__}\0{folder}")
            assert others
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: not any(Path(f"/proc/{one}").exists() for one in others))
            supervisor.ensure()
            assert app.get("/probe")["called"] == {"items": []}
    finally:
        supervisor.stop()


def _descendants(parent: int, words: str = "") -> list[int]:
    """Return children of a process whose command contains the words, and their descendants."""
    found: list[int] = []
    for one in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in map(int, one.read_text().split()):
            if words in Path(f"/proc/{child}/cmdline").read_text():
                found += [child, *_descendants(child)]
    return found


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_running_app_records_its_traffic_until_it_is_stopped(tmp_path: Path, sandbox: str) -> None:
    app = make_released(tmp_path / "app", is_generated=True, sandbox=sandbox)
    assert describe_app(app.plane)["recordings"] == 0
    assert "start it: attractor grow start" in "".join(app_lines(describe_app(app.plane)))
    try:
        url = record_traffic(app.plane, is_on=True)["url"]
        assert (app.url, describe_app(app.plane)["is_recorded"]) == (url, True)
        app.post("/data/block", {"id": "b2", "crop": "oat"})
        ended = record_traffic(app.plane, is_on=False)
        assert (ended["url"], describe_app(app.plane)["recordings"]) == (url, 1)
        [recording] = read_recordings(app.plane.recordings)
        assert [one.path for one in recording.requests] == ["/data/block"]
        assert [one["id"] for one in recording.state["block"]] == ["b1"]
        assert len(app.records()) == 2
    finally:
        app.stop()


def supervisor_of(app: Living) -> int:
    return json.loads((app.releases.folder / "app.json").read_text())["pid"]


def processes_of(app: Living) -> set[str]:
    """Return the processes of an app and its supervisor, by id and start."""
    mark, found = app_process(app.releases.folder).mark.encode(), set[str]()
    for one in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (one / "environ").read_bytes():
                found.add(f"{one.name} {(one / 'stat').read_text().split()[21]}")
    return found


def kill_process_in(folder: Path) -> None:
    for one in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (one / "cwd").readlink() == folder:
                os.kill(int(one.name), signal.SIGKILL)


def test_supervisor_and_service_start_without_the_engine() -> None:
    module = "attractor.growth.deployment.app_supervisor"
    light = f"import sys, {module}; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", light], check=False).returncode == 0
