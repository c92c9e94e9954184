"""Which pipelines run by themselves, and when."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from attractor.growth.deployment.app_supervisor import AppSupervisor, next_run, timed_runs
from attractor.growth.deployment.release import BUBBLEWRAP
from attractor.growth.errors import InvalidMorph, InvalidSpec
from attractor.growth.morph import apply_morphs, read_morph
from attractor.growth.specification.document import read_document
from attractor.growth.specification.document_writer import write_document
from attractor.growth.specification.files import read_spec, write_spec
from tests.growth.deployment.living import make_released
from tests.needs import needs_bubblewrap

SPEC = read_document(
    """
identity: {purpose: Remind}
workflows: {pipelines: [{name: Remind}, {name: Tidy}]}
deployment:
  cadence: daily
  schedules: [{name: Mondays, runs: [Remind], when: "0 8 * * mon"}, Some day]
"""
)


def test_scheduled_pipeline_follows_its_times_and_others_the_cadence() -> None:
    runs = {one.key: one for one in timed_runs(SPEC)}
    assert [*runs] == ["mondays/remind 0 8 * * mon", "tidy"]
    sunday = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert runs["tidy"].follows(sunday) == sunday + timedelta(days=1)
    monday = runs["mondays/remind 0 8 * * mon"].follows(sunday).astimezone()
    assert (monday.isoweekday(), monday.hour) == (1, 8)
    assert read_document(write_document(SPEC)).spec_hash == SPEC.spec_hash


def test_invalid_time_is_refused_in_document_and_morph() -> None:
    text = "{identity: {purpose: x}, deployment: {schedules: [{name: No, when: '0 8 * *'}]}}"
    with pytest.raises(InvalidSpec, match="no: invalid time '0 8"):
        read_document(text)
    morph = {"type": "add_schedule", "name": "Often", "runs": "Tidy"}
    with pytest.raises(InvalidMorph, match="invalid minute '60'"):
        apply_morphs(SPEC, [read_morph({**morph, "when": "60 * * * *"})])
    grown = apply_morphs(SPEC, [read_morph({**morph, "when": "*/5 * * * *"})])
    assert [one.key for one in timed_runs(grown)] == [
        "mondays/remind 0 8 * * mon",
        "often/tidy */5 * * * *",
    ]


def test_missed_times_are_one_run(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    current, folder = app.releases.current, app.releases.folder
    assert current
    morph = read_morph(
        {
            **{"type": "add_schedule", "name": "Often"},
            **{"runs": "contract_allocation", "when": "* * * * *"},
        }
    )
    write_spec(apply_morphs(read_spec(current.tree), [morph]), current.tree)
    asked: list[str] = []

    class App(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    supervisor = AppSupervisor(folder, current, app.expected)
    with HTTPServer(("127.0.0.1", 0), App) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        supervisor.url = f"http://127.0.0.1:{server.server_port}"
        # The first look only notes the time.
        supervisor.run_due()
        assert asked == []
        noted = json.loads((folder / "cadence.json").read_text())
        (folder / "cadence.json").write_text(json.dumps(dict.fromkeys(noted, 1.0)))
        for _ in range(3):
            supervisor.run_due()
        server.shutdown()
        thread.join()
    supervisor.stop()
    assert asked == ["/run/contract_allocation"]
    due = next_run(folder, current)
    assert due
    assert due.second == 0
    assert due - datetime.now(UTC) <= timedelta(minutes=1)


def test_schedule_that_comes_back_has_missed_nothing(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    file, current = app.releases.folder / "cadence.json", app.releases.current
    ended = threading.Event()
    assert current
    file.write_text(json.dumps({"every_morning/reminders 0 8 * * *": 1.0}))
    ended.set()
    AppSupervisor(app.releases.folder, current, app.expected).watch(ended)
    assert json.loads(file.read_text()) == {}


@needs_bubblewrap
def test_app_does_not_share_the_port_of_another_app(tmp_path: Path) -> None:
    apps = [make_released(tmp_path / name, sandbox=BUBBLEWRAP) for name in ("one", "two")]
    try:
        first = apps[0].start(os.environ)
        (apps[1].releases.folder / "keeper.json").write_text(json.dumps({"url": first}))
        assert apps[1].start(os.environ) != first
    finally:
        for app in apps:
            app.stop()
