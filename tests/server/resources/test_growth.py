"""Growth over HTTP: the paths of the seed, key by key."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from attractor.base.errors import LockHeld
from attractor.base.locks import FileLock
from attractor.growth.api.deployments import deployment
from attractor.growth.plans.store import DEPLOYMENT_LOCK
from attractor.server.service import Service
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.growth.app import PROPOSAL, make_app
from tests.growth.deployment.living import Living, make_released
from tests.growth.model import objects
from tests.patience import wait_until
from tests.server.conftest import PAGE, serving
from tests.tables import table

DESIRE = {
    "goal": "reserve tuesday contracts first",
    "constraints": ["phi compliant"],
    "outputs": ["packlists", "invoices"],
}
"""The desire of the planner's input in the seed."""

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Desk:
    """The server of an app whose model is a twin."""

    client: httpx.Client
    reader: httpx.Client
    repository: Path


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("growth")
    app = make_app(folder / "app")
    with ExitStack() as stack:
        twin = stack.enter_context(in_background(ProviderTwin(objects(PROPOSAL))))
        environ = twin.environ()
        model = {name: environ[name] for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")}
        state = {"ATTRACTOR_STATE_DIR": str(folder / "state")}
        service = Service.of(app.repository, {"PATH": os.environ["PATH"], **state, **model})
        server = stack.enter_context(serving(service))
        operator = stack.enter_context(server.client("operate"))
        yield Desk(operator, stack.enter_context(server.client("read")), app.repository)


def test_desires_become_a_plan_with_a_simulation(desk: Desk) -> None:
    spec = desk.client.post("/spec/normalize", json={"desires": [DESIRE], "base": "HEAD"}).json()
    assert set(spec) == {
        *("spec_graph_id", "spec_summary", "nodes", "edges", "provenance", "clarifications")
    }
    assert any(one["fields"].get("name") == DESIRE["goal"] for one in spec["nodes"])
    named = {"spec_graph_id": spec["spec_graph_id"]}
    plan = desk.client.post("/growth/plan", json=named).json()
    assert set(plan) == {"plan_id", "morphs", "tests"}
    assert {"morphs": plan["morphs"], "tests": plan["tests"]} == PROPOSAL
    named = {"plan_id": plan["plan_id"], "depth": "spec"}
    simulation = desk.client.post("/growth/simulate", json=named).json()
    assert set(simulation) == {"simulation_id", "diff", "files", "risks", "screenshots"}
    assert set(simulation["diff"]) == {"summary", "changes"}
    assert any("phi_gate" in one for one in simulation["diff"]["changes"])


def test_planner_input_of_the_seed_is_a_plan_request(desk: Desk) -> None:
    answer = desk.client.post(
        "/growth/plan", json={"spec_graph_id": "sg-001", "new_desires": [DESIRE]}
    )
    assert (answer.status_code, answer.json()["detail"]) == (404, "unknown specification 'sg-001'")


@table("mode", ["flowchart", "mindmap", "board"])
def test_spec_is_drawn_in_each_mode(desk: Desk, mode: str) -> None:
    drawn = desk.reader.get("/render/HEAD", params={"mode": mode}).json()
    assert set(drawn) == {"spec_graph_id", "mode", "format", "diagram"}
    assert drawn["diagram"].lstrip().startswith("<")
    text = desk.reader.get("/render/HEAD", params={"mode": mode, "format": "mermaid"}).json()
    assert "PHI gate" in text["diagram"]


@table(
    ("path", "body", "status"),
    [
        ("/spec/normalize", {"desires": [{"goals": "x"}]}, 400),
        ("/spec/normalize", {"desire": []}, 422),
        ("/spec/normalize", {"desires": {"goal": "\ud83d"}}, 422),
        ("/growth/plan", {"spec_graph_id": "sg-none"}, 404),
        ("/growth/simulate", {"plan_id": "gp-none"}, 404),
        ("/growth/simulate", {}, 422),
    ],
)
def test_invalid_request_is_refused(
    desk: Desk, path: str, body: dict[str, object], status: int
) -> None:
    answer = desk.client.post(path, content=json.dumps(body), headers=JSON)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_unknown_mode_and_low_scope_are_refused(desk: Desk) -> None:
    assert desk.reader.get("/render/HEAD", params={"mode": "poster"}).status_code == 422
    assert desk.reader.post("/spec/normalize", json={"desires": [DESIRE]}).status_code == 403


@pytest.fixture
def living(tmp_path: Path) -> Iterator[tuple[Living, httpx.Client]]:
    make_released(tmp_path / "app")
    app = Living(tmp_path / "app")
    opened = app.plane.project
    variables = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(opened.machine.state_dir)}
    with serving(Service.of(app.folder, variables)) as server, server.client("operate") as client:
        yield app, client
    app.stop()


def wait_for_decision(app: Living, plan_id: str) -> None:
    wait_until(lambda: deployment(app.plane, plan_id)["waits_for"] == "decision")


def decide_once_free(app: Living, run_id: str) -> None:
    """Approve a run as soon as the process of its deployment has released its lock."""

    def decide() -> bool:
        with suppress(LockHeld):
            app.decide(run_id)
            return True
        return False

    wait_until(decide)


def test_deployment_waits_for_a_decision_and_continues(living: tuple[Living, httpx.Client]) -> None:
    app, client = living
    morph = {"type": "add_field", "entity": "Block", "name": "soil", "default": "loam"}
    plan = app.plan(morph, is_simulated=False)
    named = {"plan_id": plan.id}
    refused = client.post("/growth/deploy", json=named)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:attractor:NotDeployable")
    assert client.post("/growth/simulate", json=named).status_code == 200
    lock = FileLock(app.plane.plans.folder_of(plan.id) / DEPLOYMENT_LOCK)
    with lock.acquire(purpose="attractor grow deploy"):
        second = client.post("/growth/deploy", json=named)
        assert (second.status_code, second.json()["type"]) == (409, "urn:attractor:LockHeld")
        assert f"is locked by process {os.getpid()} on " in second.json()["detail"]
        assert "wait until that process ends" in second.json()["hint"]
    begun = client.post("/growth/deploy", json=named)
    assert begun.status_code == 202, begun.text
    assert set(begun.json()) == {"run_id", "stage_id", "waits_for"}
    run_id = begun.json()["run_id"]
    wait_for_decision(app, plan.id)
    waiting = client.get(f"/growth/plans/{plan.id}", headers=PAGE).text
    assert f'Waits for the <a href="/runs/{run_id}/decision">' in waiting
    decide_once_free(app, run_id)
    done = client.post("/growth/deploy", json=named).json()
    assert done == {"run_id": run_id, "stage_id": "v0-2", "waits_for": ""}
    lineage = client.get("/lineage/HEAD").json()
    assert (lineage["id"], lineage["running"]) == ("v0-2", "v0-2")
    chapters = client.get("/growth/story").json()["chapters"]
    assert [(one["stage"], one["run_id"]) for one in chapters][:1] == [("v0-2", run_id)]
    page = client.get("/growth/lineage", headers=PAGE).text
    assert f'<a href="/runs/{run_id}/decision">approved</a> by ' in page
