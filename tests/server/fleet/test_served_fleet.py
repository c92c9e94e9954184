"""A server starts workers, and does for their runs what they may not: real processes."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from attractor.base.installation import install_command
from attractor.worlds.actors import list_actors
from tests.patience import wait_until
from tests.server.conftest import PAGE
from tests.server.fleet.living import PROGRAM, ServedFleet, served_fleet

pytestmark = pytest.mark.crash

START = {
    "file": "pipeline.dot",
    "on": "agents",
    "suite": "todo",
    "profile": "lenient",
    "sandbox": "none",
}


def test_run_on_a_worker_is_asked_answered_judged_and_told_once_over_killed_servers(
    tmp_path: Path,
) -> None:
    fleet = served_fleet(tmp_path)
    with fleet.serve("--workers", "1") as client:
        wait_until(lambda: client.get("/api/v1/fleet").json()["workers"], fleet.log)
        run = start(fleet, client)
        asked = fleet.wait(client, run, "awaiting_human")
        assert asked["questions"][0]["text"] == "Make it?"
        [waiting] = client.get("/api/v1/fleet").json()["waiting"]
        assert (waiting["run_id"], waiting["reason"]["kind"]) == (run, "human")
        page = client.get(f"/runs/{run}", headers=PAGE).text
        assert "waits for the answer of a person" in page
        wait_until(lambda: len(fleet.notices()) == 1, fleet.log)
        fleet.kill_server()
    # The worker of the killed server is the one of the next server.
    with fleet.serve("--workers", "1") as client:
        [worker] = client.get("/api/v1/fleet").json()["workers"]
        assert worker["status"] == "serving"
        question = asked["questions"][0]["id"]
        form = {"answer": "Y"}
        answer = client.post(f"/pipelines/{run}/questions/{question}/answer", json=form)
        assert "continues in its pool" in answer.json()["words"], answer.text
        fleet.kill_server()
    with fleet.serve("--workers", "1") as client:
        wait_until(lambda: "evaluated" in fleet.ledger(run), fleet.log)
        ended = fleet.wait(client, run, "awaiting_human")
        assert (ended["phase"], ended["reason"]) == ("decision", "gate: go")
        wait_until(lambda: len(fleet.notices()) >= 2, fleet.log)
        assert [one["kind"] for one in fleet.notices()] == ["question", "decision"]
        page = client.get(f"/runs/{run}", headers=PAGE).text
        assert "Attempts" in page
        assert fleet.processes() == 1
    # The first Ctrl-C of the server drained its worker.
    assert "draining" in fleet.log()
    assert fleet.processes() == 0


def test_end_of_a_run_that_fails_or_is_canceled_on_a_worker_is_recorded_and_told_once(
    tmp_path: Path,
) -> None:
    fleet = served_fleet(tmp_path)
    with fleet.serve() as client:
        assert 'name="on"' in client.get("/start", headers=PAGE).text
        assert fleet.processes() == 0
        runs = [start(fleet, client) for _ in range(3)]
        failing, canceled, waiting = runs
        for run in runs:
            fleet.wait(client, run, "awaiting_human")
        for action, body in (("pause", {}), ("steer", {"text": "Hurry"})):
            refused = client.post(f"/api/v1/runs/{failing}/{action}", json=body)
            assert (refused.status_code, "no worker executes" in refused.text) == (409, True)
        early = client.post(f"/api/v1/runs/{failing}/resume")
        assert (early.status_code, "waits for an answer" in early.text) == (409, True)
        client.post(f"/api/v1/runs/{failing}/answer", json={"answer": "N"})
        assert client.post(f"/api/v1/runs/{canceled}/cancel", json={}).json()["taken"]
        fleet.wait(client, failing, "failed")
        fleet.wait(client, canceled, "canceled")
        for run in (failing, canceled):
            wait_until(lambda run=run: fleet.ledger(run)[-1] == "ended", fleet.log)
        wait_until(lambda: len(fleet.flat_notices()) == 4, fleet.log)
        kinds = [one["kind"] for one in fleet.flat_notices()]
        assert sorted(kinds) == ["failed", "question", "question", "question"]
        assert client.get(f"/pipelines/{waiting}").json()["status"] == "awaiting_human"
        # A run that waited for a worker got one.
        assert fleet.processes() == 1
    assert fleet.processes() == 0


def test_run_waits_for_the_label_and_an_actor_is_in_the_pool_of_the_request(
    tmp_path: Path,
) -> None:
    fleet = served_fleet(tmp_path)
    with fleet.serve() as client:
        assert 'name="label"' in client.get("/start", headers=PAGE).text
        run = start(fleet, client, label="laptop")
        wait_until(lambda: client.get("/api/v1/fleet").json()["waiting"], fleet.log)
        [waiting] = client.get("/api/v1/fleet").json()["waiting"]
        assert (waiting["run_id"], waiting["reason"]["kind"]) == (run, "no_worker")
        assert "--label laptop" in str(waiting)
        body = {
            "words": "Say hello",
            "name": "greeter",
            "pool": "agents",
            "sandbox": "none",
            "backend": "simulate",
        }
        spawned = client.post("/api/v1/actors", json=body)
        assert (spawned.status_code, spawned.json()["workspace"]) == (201, "isolated")
        client.post(f"/api/v1/actors/{spawned.json()['project']['id']}/greeter/stop")
        client.post(f"/pipelines/{run}/cancel", json={})
    [folder] = list_actors(fleet.state)
    assert folder.read().actor.pool == "agents"


@pytest.mark.parametrize(
    "words", [("serve", "--workers", "1"), ("actor", "spawn", "--pool", "far", "Say hello")]
)
def test_what_needs_the_extra_names_the_command_that_adds_it(
    tmp_path: Path, words: Sequence[str]
) -> None:
    fleet = served_fleet(tmp_path)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    # Python looks here first, and finds that obstore is not there.
    hide = "import sys, importlib.util as u; found = u.find_spec; "
    hide += "u.find_spec = lambda name, *more: None if name == 'obstore' else found(name, *more)"
    (hidden / "sitecustomize.py").write_text(hide)
    done = subprocess.run(
        [*PROGRAM[:1], *PROGRAM[2:], *words],
        cwd=fleet.project,
        env={**fleet.environ, "PYTHONPATH": str(hidden)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "the fleet is not installed" in done.stderr
    assert install_command(extra="fleet") in done.stderr


def start(fleet: ServedFleet, client: httpx.Client, **more: str) -> str:
    """Start a run on the pool; return its id."""
    started = client.post("/api/v1/runs", json={**START, **more})
    assert started.status_code == 201, started.text + fleet.log()
    return started.json()["id"]
