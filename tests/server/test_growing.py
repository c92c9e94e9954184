"""An app grows over HTTP: from desires to a plan, a simulation, a decision and a running app."""

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from attractor.server.service import Service
from tests.counts import IS_FULL
from tests.examples import ROOT
from tests.patience import PATIENCE_S, wait_until
from tests.server.conftest import serving

DECIDED = {"verdict": "approved", "rationale": "All hidden scenarios pass."}


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The demo, which makes the repository of an example in the folder of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples"), *sys.path])
    return import_module("grow_demo")


@pytest.mark.skipif(not IS_FULL, reason="builds an app for a minute or more")
@pytest.mark.parametrize("example", ["farmer-contract-allocation", "immigration-policy-impact"])
def test_example_grows_over_http_and_waits_for_a_decision(demo: Any, example: str) -> None:
    folder = ROOT / "pipelines" / "growth" / example
    with demo.open_farm(example, "twin.py", None) as stage, ExitStack() as stack:
        stack.callback(demo.stop, stage)
        demo.prepare(stage, folder)
        first = stage.ask("spec", "normalize", "spec.yaml")["spec_graph_id"]
        service = Service.of(stage.project, stage.environ)
        with serving(service) as server, server.client("operate") as client:
            client.timeout = PATIENCE_S
            desires = json.loads((folder / "desires.json").read_text())
            spec = post(client, "/spec/normalize", desires=desires, base=first)
            plan = post(client, "/growth/plan", spec_graph_id=spec["spec_graph_id"])
            named = {"plan_id": plan["plan_id"]}
            assert plan["morphs"] == json.loads((folder / "proposal.json").read_text())["morphs"]
            simulation = post(client, "/growth/simulate", depth="rehearsal", **named)
            assert simulation["diff"]["changes"]
            begun = post(client, "/growth/deploy", **named)
            at = f"/api/v1/runs/{begun['run_id']}"
            wait_until(lambda: is_parked(client, at))
            judged = client.get(f"{at}/gate").json()
            assert judged["go"] is True, judged
            waiting = post(client, "/growth/deploy", **named)
            assert waiting == {"run_id": begun["run_id"], "stage_id": "v0", "waits_for": "decision"}
            wait_until(lambda: is_parked(client, at))
            # Neither a deployment nor an operator decides.
            assert client.post(f"{at}/decision", json=DECIDED).status_code == 403
            assert not (stage.project / "app").exists()
            with server.client("decide") as person:
                post(person, f"{at}/decision", **DECIDED)
            done = post(client, "/growth/deploy", **named)
            assert done == {**begun, "waits_for": ""}
            wait_until(lambda: (demo.releases_of(stage) / "keeper.json").is_file())
            assert client.get("/lineage/HEAD").json()["running"] == "v0"
            demo.look(stage, folder)
            draft = json.loads((folder / "drafts.json").read_text())[0]
            for expected in draft["expect"]:
                assert f'"{expected["equals"]}"' in demo.ask(stage, expected["get"])
        verified = subprocess.run(
            [sys.executable, "-m", "attractor", "audit", "verify"],
            cwd=stage.project,
            env=stage.environ,
            check=False,
        )
        assert verified.returncode == 0


def post(client: httpx.Client, path: str, **body: object) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def is_parked(client: httpx.Client, run: str) -> bool:
    """Return whether a run waits for a decision, without a live process."""
    status = client.get(run).json()
    return status["phase"] == "decision" and not status["live"]
