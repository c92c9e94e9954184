"""Profiles, pipelines and suites are registered and ended over HTTP, in the name of the caller."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.factory.flows import HOLDOUT
from tests.pipeline.projects import LINEAR, git
from tests.scenarios.suites import write_suite
from tests.server.conftest import RunningServer

WHY = {"reason": "It is too old."}
LENIENT = {"name": "lenient", "policy": {"allow": ["dirty_base"]}}


@dataclass(frozen=True)
class Desk:
    """A server, and a client with a token of the scope `decide`."""

    server: RunningServer
    client: httpx.Client

    def send(self, method: str, path: str, status: int, body: object) -> Any:
        answer = self.client.request(method, f"/api/v1/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, body: object, status: int = 200) -> Any:
        return self.send("POST", path, status, body)


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    with server.client("decide") as client:
        yield Desk(server, client)


def test_profile_is_created_updated_and_retired(desk: Desk) -> None:
    created = desk.post("profiles", LENIENT, 201)
    assert (created["version"], created["by"][:10]) == (1, "ann-decide")
    assert "already exists" in desk.post("profiles", LENIENT, 409)["detail"]
    stricter = {"name": "lenient", "description": "Allows nothing."}
    for is_new in (True, False):
        found = desk.send("PUT", "profiles/lenient", 200, stricter)
        assert (found["version"], found["is_new"]) == (2, is_new)
    assert "lenient" in desk.send("PUT", "profiles/other", 400, stricter)["detail"]
    assert (
        "policy.allow"
        in desk.post("profiles", {**LENIENT, "policy": {"allow": [1]}}, 422)["detail"]
    )
    ended = desk.post("profiles/lenient/retire", WHY)
    assert [(one["version"], one["ending"]["how"]) for one in ended] == [
        (1, "retired"),
        (2, "retired"),
    ]
    assert ended[0]["ending"]["reason"] == WHY["reason"]
    refused = desk.client.post("/pipelines", json={"source": LINEAR, "profile": "lenient"})
    assert "retired" in refused.json()["detail"]


def test_pipeline_is_registered_from_its_file_or_a_text(desk: Desk) -> None:
    file = {"file": "pipeline.dot"}
    assert desk.post("pipelines", file)["is_new"]
    assert not desk.post("pipelines", file)["is_new"]
    longer = LINEAR.replace("plan -> make", "plan -> check -> make")
    assert desk.post("pipelines", {**file, "source": longer})["version"] == 2
    assert desk.client.get("/api/v1/pipelines/linear").json()["text"] == longer
    desk.post("pipelines", {**file, "source": "digraph {"}, 422)
    assert "outside" in desk.post("pipelines", {"file": "../x.dot"}, 400)["detail"]
    assert "no place" in desk.post("pipelines", {"file": "scenarios/x.dot"}, 400)["detail"]
    [ended] = desk.post("pipelines/linear@1/retire", WHY)
    assert (ended["version"], ended["ending"]["how"]) == (1, "retired")
    assert desk.client.get("/api/v1/pipelines/linear").json()["ending"] is None


def test_suite_is_registered_archived_and_burned(desk: Desk) -> None:
    project = desk.server.service.project.root
    write_suite(project / "scenarios" / "todo", made=HOLDOUT.format(wanted="made"))
    body = {"folder": "scenarios/todo", "sandbox": "none"}
    registered = desk.post("suites", body)
    assert (registered["version"], registered["is_new"], registered["trials"]) == (1, True, 1)
    assert not desk.post("suites", body)["is_new"]
    assert "outside" in desk.post("suites", {"folder": "../todo"}, 400)["detail"]
    [archived] = desk.post("suites/todo/archive", WHY)
    [burned] = desk.post("suites/todo@1/burn", WHY)
    assert [one["ending"]["how"] for one in (archived, burned)] == ["archived", "burned"]
    assert "is burned" in desk.post("suites", body, 409)["detail"]
    empty = HOLDOUT.format(wanted="").replace("cat made.txt", "true")
    write_suite(project / "scenarios" / "idle", made=empty)
    git(project, "add", "--all")
    refused = desk.post("suites", {**body, "folder": "scenarios/idle"}, 400)
    assert "does nothing" in str(refused)


def test_resource_in_use_is_not_ended(desk: Desk) -> None:
    # An unreadable run of this project may use the pipeline.
    desk.post("pipelines", {"file": "pipeline.dot"})
    broken = desk.server.service.project.runs_dir / "R1"
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{")
    assert "may be used" in desk.post("pipelines/linear/retire", WHY, 409)["detail"]


def test_tokens_are_listed_without_secrets(desk: Desk) -> None:
    answer = desk.client.get("/api/v1/tokens")
    [token] = answer.json()
    assert (token["scope"], token["by"]) == ("decide", "ann")
    assert "digest" not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "profiles"),
        ("PUT", "profiles/lenient"),
        ("POST", "suites"),
        ("POST", "suites/todo/burn"),
        ("POST", "pipelines/linear/retire"),
        ("GET", "tokens"),
    ],
)
def test_operator_cannot_change_suites_and_profiles_of_runs(
    server: RunningServer, method: str, path: str
) -> None:
    with server.client("operate") as client:
        assert client.request(method, f"/api/v1/{path}", json={}).status_code == 403
    assert not server.service.opened.profiles.versions.names()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("runs", {"source": LINEAR, "max_tokens": True}, "max_tokens"),
        ("runs", {"source": LINEAR, "max_cost_usd": "1"}, "max_cost_usd"),
        ("runs", {"source": LINEAR, "include_dirty": "no"}, "include_dirty"),
        ("runs/latest/resume", {"evaluate": 1}, "evaluate"),
        ("simulate", {"source": LINEAR, "max_steps": "9"}, "max_steps"),
        ("profiles", {"name": "a", "policy": {"ask_providers": "no"}}, "policy.ask_providers"),
        ("profiles", {"name": "a", "window": {"runs": True}}, "window.runs"),
        ("../evals/execute", {"code": "1", "timeout": "1"}, "timeout"),
    ],
)
def test_value_of_another_type_is_refused(desk: Desk, path: str, body: object, field: str) -> None:
    assert desk.post(path, body, 422)["detail"].startswith(f"body.{field}: Input should be a valid")


def test_whole_number_is_a_valid_cost(desk: Desk) -> None:
    created = desk.post("profiles", {"name": "a", "policy": {"max_cost_usd": 5}}, 201)
    assert created["data"]["policy"]["max_cost_usd"] == 5.0
