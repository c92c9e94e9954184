"""One server for all projects: their runs and pages, and tokens that are for some of them."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse

from attractor.attention.fleet_needs import FleetNeed, FleetNeeds, publish_needs
from attractor.server.service import Service
from tests.factory.flows import make_flow
from tests.patience import wait_until
from tests.pipeline.projects import git, make_project
from tests.server.conftest import PAGE, SETTINGS, RunningServer, service_of, serving
from tests.server.test_attention_page import ASK
from tests.tables import table

PIPELINE = {"file": "pipeline.dot", "sandbox": "none", "workspace": "none", "interviewer": "park"}


@pytest.fixture
def other(tmp_path: Path) -> Service:
    """Another project than that of the server."""
    folder = make_project(tmp_path / "other", ASK, **{"attractor.toml": SETTINGS})
    environ = {"ATTRACTOR_STATE_DIR": str(tmp_path / "state"), "PATH": "/usr/bin:/bin"}
    service = Service.of(folder, environ)
    service.opened.identity.create_id()
    return service


@pytest.fixture
def server(tmp_path: Path, other: Service) -> Iterator[RunningServer]:
    service = service_of(make_project(tmp_path / "project", ASK, **{"attractor.toml": SETTINGS}))
    service.opened.identity.create_id()
    assert other.project_id
    with serving(service) as running:
        yield running


def start(client: httpx.Client, project: str) -> str:
    """Start a run of a project, which asks a question; return its id."""
    made = client.post("/api/v1/runs", params={"project": project}, json=PIPELINE)
    assert made.status_code == 201, made.text
    run = made.json()["id"]
    wait_until(lambda: client.get(f"/api/v1/runs/{run}").json()["status"] == "awaiting_human")
    return run


def test_run_of_another_project_is_started_shown_and_answered(
    server: RunningServer, other: Service
) -> None:
    project = other.project_id
    with server.client() as client:
        run = start(client, project)
        listed = client.get("/api/v1/runs", params={"project": project}).json()["items"]
        assert [one["run_id"] for one in listed] == [run]
        assert client.get("/api/v1/runs").json()["items"] == []
        # Only a whole id names its project.
        for name in ("latest", run[:12]):
            shown = client.get(f"/api/v1/runs/{name}", params={"project": project})
            assert shown.json()["run_id"] == run
            assert client.get(f"/api/v1/runs/{name}").status_code == 404
        page = client.get(f"/runs/{run}", headers=PAGE).text
        assert "other · Attractor</title>" in page
        # The navigation stays in the project of the run, and leads to that of the server.
        assert f'href="/suites?project={project}"' in page
        assert f"?project={server.service.project_id}" in page
        assert f'href="/start?again={run}&amp;project={project}"' in page
        answered = client.post(f"/api/v1/runs/{run}/answer", json={"answer": "Y"}).json()
        assert answered["process"] == "started"
        wait_until(lambda: client.get(f"/api/v1/runs/{run}").json()["outcome"] == "success")


def test_runs_of_all_projects_are_listed_and_canceled_together(
    server: RunningServer, other: Service
) -> None:
    with server.client() as client:
        runs = [start(client, server.service.project_id), start(client, other.project_id)]
        listed = client.get("/api/v1/runs", params={"everywhere": True, "limit": 1}).json()
        rest = client.get(
            "/api/v1/runs", params={"everywhere": True, "cursor": listed["next"]}
        ).json()
        assert [one["run_id"] for one in [*listed["items"], *rest["items"]]] == runs[::-1]
        place = "/runs?everywhere=yes"
        page = client.get(place, headers=PAGE).text
        assert page.count('class="panel question"') == 2
        assert all(f'href="/runs/{run}"' in page for run in runs)
        compared = client.get("/compare", params={"run": runs}, headers=PAGE).text
        assert all(f">{one}</td>" in compared for one in ("project", "other"))
        fields = {"action": "cancel", "run": runs, "why": "enough", "back": place}
        done = client.post("/runs/several", data=fields, headers=PAGE, follow_redirects=True)
        assert "Canceled 2 runs." in done.text
        assert [client.get(f"/api/v1/runs/{run}").json()["status"] for run in runs] == [
            "canceled",
            "canceled",
        ]
        freed = client.post(
            "/runs/several",
            data={**fields, "action": "gc"},
            headers=PAGE,
            follow_redirects=True,
        )
        assert freed.text.count("Freed ") == 2


@table("page, fragment", [("attention", "rows"), ("runs", "list")])
def test_rows_travel_again_only_after_a_change(
    server: RunningServer, page: str, fragment: str
) -> None:
    with server.client() as client:
        start(client, server.service.project_id)
        first = client.get(f"/{page}", params={"fragment": fragment}, headers=PAGE)
        assert "Ship" in first.text
        known = {"fragment": fragment, "known": first.headers["x-fragment-versions"]}
        assert client.get(f"/{page}", params=known, headers=PAGE).text == ""
        start(client, server.service.project_id)
        assert "Ship" in client.get(f"/{page}", params=known, headers=PAGE).text


@table("page", ["runs", "specs", "suites", "profiles", "growth", "audit", "system", "start"])
def test_each_address_of_a_page_names_its_project(
    server: RunningServer, other: Service, page: str
) -> None:
    """An address without it would show, or change, the server's own project."""
    of_all = (
        "/runs?everywhere",
        "/attention",
        "/agents",
        "/worlds",
        "/login",
        "/logout",
        "/static/",
        "/runs/0",
    )
    address, project = f"/{page}?project={other.project_id}", other.project_id
    with closing(server.browser()) as browser:
        shown = browser.get(address)
    assert shown.status_code == 200, shown.text
    asking = re.findall(r'<form[^>]*method="get".*?</form>', shown.text, re.DOTALL)
    assert all(f'name="project" value="{project}"' in form for form in asking)
    text = shown.text
    for form in asking:
        text = text.replace(form, "")
    places = re.findall(r'(?:href|action|formaction|src)="(/[^"]*)"', text)
    assert len(places) > 10
    lost = [one for one in places if "project=" not in one and not one.startswith(of_all)]
    assert lost == []


def test_token_of_one_project_reaches_no_other(server: RunningServer, other: Service) -> None:
    own = server.service.project_id
    with server.client() as client:
        run = start(client, other.project_id)
    secret = limited(server, "decide", own)
    headers = {"authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        refused = [
            client.get(f"/api/v1/runs/{run}"),
            client.get(f"/runs/{run}", headers=PAGE),
            client.post(f"/api/v1/runs/{run}/answer", json={"answer": "Y"}),
            client.post(f"/attention/{run}/answer", data={"choice": "Y"}),
            client.get("/api/v1/runs", params={"project": other.project_id}),
            client.get(f"/api/v1/actors/{other.project_id}/asker"),
            client.post("/api/v1/actors", json={"project": other.project_id, "words": "work"}),
            client.post("/api/v1/dimensions", json={"project": other.project_id, "name": "one"}),
            client.post("/runs/several", data={"action": "cancel", "run": [run]}),
            client.get("/compare", params={"run": [run, "X"]}),
            client.get("/api/v1/tokens"),
            client.get("/api/v1/audit/verification"),
        ]
        assert [one.status_code for one in refused] == [403] * len(refused)
        assert client.get("/api/v1/attention").json() == []
        assert [one["id"] for one in client.get("/api/v1/worlds").json()] == [own]
        with connect_sse(client, "GET", "/api/v1/worlds/events") as stream:
            assert next(stream.iter_sse()).json()["id"] == own
        assert client.get("/api/v1/runs").json()["items"] == []
        assert client.get("/api/v1/runs", params={"everywhere": True}).json()["items"] == []
    # A session that began with it, and a decision that it proves, reach no more.
    with httpx.Client(base_url=server.url, headers=PAGE) as browser:
        browser.post("/login", data={"token": secret})
        assert browser.get("/runs").status_code == 200
        assert browser.get(f"/runs/{run}").status_code == 403
        assert str(other.project.root) not in browser.get("/runs").text
    with server.client() as client:
        place, form = f"/runs/{run}/decision/promote", {"branch": "main"}
        refused = client.post(place, data={**form, "token": secret}, headers=PAGE)
        too_early = client.post(place, data={**form, "token": server.token()}, headers=PAGE)
        assert (refused.status_code, too_early.status_code) == (403, 400)


def test_stream_has_the_rows_of_the_fleet_that_a_token_reaches(
    server: RunningServer, other: Service
) -> None:
    own, now = server.service.project_id, server.service.opened.now()
    state = server.service.project.machine.state_dir
    needs = [
        FleetNeed(f"fleet:{id_}", id_, "run", "no worker takes it", now, "attractor fleet status")
        for id_ in (other.project_id, own)
    ]
    publish_needs(state, FleetNeeds(now, needs))
    headers = {"authorization": f"Bearer {limited(server, 'read', own)}"}
    types = {"type": ["AttentionChanged", "AttentionGone"]}
    with (
        httpx.Client(base_url=server.url, headers=headers) as client,
        connect_sse(client, "GET", "/api/v1/worlds/events", params=types) as stream,
    ):
        events = stream.iter_sse()
        shown = next(events).json()
        assert (shown["id"], shown["record"]["need"]) == (f"fleet:{own}", "fleet")
        publish_needs(state, FleetNeeds(now))
        gone = next(events).json()
        assert (gone["id"], gone["record"]) == (f"fleet:{own}", None)
    # Nothing is read without readers.
    wait_until(lambda: not len(server.service.events.worlds))


def test_project_whose_folder_is_gone_is_refused(server: RunningServer, other: Service) -> None:
    project = other.project_id
    shutil.rmtree(other.project.root)
    with server.client() as client:
        for page in ("/runs", "/api/v1/runs", f"/worlds/{project}"):
            refused = client.get(page, params={"project": project})
            assert (refused.status_code, "is gone" in refused.text) == (409, True)
        assert "?project=" not in client.get("/runs", headers=PAGE).text


def limited(server: RunningServer, scope: str, *projects: str) -> str:
    """Return a token for some projects."""
    store, now = server.service.access.tokens, server.service.opened.now()
    store.create(f"some-{scope}", scope, "hush", by="ann", now=now, projects=projects)
    return "hush"


def test_files_of_a_dimension_are_submitted(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    service = service_of(flow.project)
    with serving(service) as server, server.client() as client:
        project = service.project_id
        made = client.post("/api/v1/dimensions", json={"name": "one", "kind": "worktree"}).json()
        Path(made["folder"], "made.txt").write_text("made")
        body = {"suite": "todo", "profile": "lenient", "sandbox": "none"}
        place = f"/api/v1/dimensions/{project}/one/submit"
        run = client.post(place, json=body).json()["id"]
        wait_until(lambda: client.get(f"/api/v1/runs/{run}").json()["phase"] == "decision")
        assert client.get(f"/api/v1/runs/{run}/gate").json()["go"] is True
        unknown = client.post(place, json={"suite": "nosuch"})
        assert (unknown.status_code, "nosuch" in unknown.text) == (404, True)
    assert git(flow.project, "status", "--porcelain") == ""
