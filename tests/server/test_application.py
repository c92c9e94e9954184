"""Every resource answers callers with the right scope, and errors as problems."""

import json
from inspect import iscoroutinefunction

import httpx
import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute

from attractor.server.application import PAGES, RESOURCES
from attractor.server.http.guard import OPEN_PATHS
from attractor.server.http.problems import PROBLEM
from attractor.server.http.scopes import RequiredScope
from tests.server.conftest import PAGE, RunningServer
from tests.server.runs import WAITING, start
from tests.tables import table


def test_version_is_shown_to_callers_with_a_token(server: RunningServer) -> None:
    with server.client("read") as client:
        answer = client.get("/api/v1/version")
    assert answer.status_code == 200
    assert answer.json()["project"] == str(server.service.project.root)


@pytest.mark.parametrize("written", ["", "Bearer guessed", "Basic YTpi"])
def test_request_without_a_valid_token_is_refused(server: RunningServer, written: str) -> None:
    with server.client() as client:
        answer = client.get("/api/v1/version", headers={"authorization": written})
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)
    assert answer.json()["type"] == "urn:attractor:Unauthenticated"


def test_unknown_address_is_a_problem(server: RunningServer) -> None:
    with server.client() as client:
        answer = client.get("/api/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert answer.json()["title"] == "Not Found"


@table(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/profiles/demo", "GET, HEAD, PUT"),
        ("DELETE", "/api/v1/runs", "GET, HEAD, POST"),
        ("HEAD", "/api/v1/validate", "POST"),
        ("GET", "/logout", "POST"),
    ],
)
def test_unknown_method_is_refused_before_its_key(
    server: RunningServer, method: str, path: str, allowed: str
) -> None:
    with server.client() as client:
        for headers in ({"idempotency-key": "not valid"}, PAGE):
            answer = client.request(method, path, headers=headers)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@table(
    ("path", "status"),
    [("/api/v1/version", 200), ("/runs", 200), ("/", 303), ("/api/v1/runs/none", 404)],
)
def test_head_has_the_headers_of_get(server: RunningServer, path: str, status: int) -> None:
    with server.client() as client:
        head, get = client.head(path), client.get(path)
    assert (head.status_code, get.status_code, head.content) == (status, status, b"")
    changing = {"date", "set-cookie"}
    assert {**head.headers}.keys() - changing == {**get.headers}.keys() - changing
    assert head.headers["content-length"] == get.headers["content-length"]


def test_head_opens_no_stream_and_uses_no_code(server: RunningServer) -> None:
    with server.client() as client:
        run = start(client, WAITING)
        for path in ("/api/v1/events", f"/pipelines/{run}/events"):
            answer = client.head(path, headers={"accept": "text/event-stream"})
            assert answer.headers["content-type"].startswith("text/event-stream")
        client.post(f"/pipelines/{run}/cancel")
    code = server.service.access.codes.create()
    with httpx.Client(base_url=server.url, params={"code": code, "here": ""}) as client:
        assert client.head("/login").status_code == 401
        assert client.get("/login").status_code == 303


def test_deep_json_is_refused(server: RunningServer) -> None:
    headers = {"content-type": "application/json"}
    with server.client("decide") as client:
        for path in ("validate", "profiles", "actors", "runs"):
            answer = client.post(f"/api/v1/{path}", content="[" * 100_000, headers=headers)
            assert (answer.status_code, "parsing the body" in answer.text) == (400, True)


@table(
    ("sent", "status"),
    [
        ("", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json", 200),
        ("application/problem+json; charset=utf-8", 200),
    ],
)
def test_body_that_is_no_json_is_refused(server: RunningServer, sent: str, status: int) -> None:
    headers = {"content-type": sent} if sent else {}
    with server.client() as client:
        body = json.dumps({"source": "digraph {}"})
        answer = client.post("/api/v1/format", content=body, headers=headers)
        assert answer.status_code == status
        assert status == 200 or "Content-Type" in answer.json()["detail"]
        # An empty body is none.
        assert client.post("/api/v1/format", headers=headers).status_code == 422


@table(
    ("path", "status", "words"),
    [
        ("/api/v1/runs?statsu=failed", 422, "unknown query parameter 'statsu'"),
        ("/api/v1/version?verbose=1", 422, "unknown query parameter 'verbose'"),
        ("/status?ids=latest", 422, "unknown query parameter 'ids'"),
        ("/pipelines/latest?verbose=1", 422, "unknown query parameter 'verbose'"),
        ("/api/v1/runs?status=nosuch", 404, "unknown status 'nosuch'"),
    ],
)
def test_unknown_query_is_refused(
    server: RunningServer, path: str, status: int, words: str
) -> None:
    with server.client() as client:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (status, words)
        assert client.get("/api/v1/runs?status=failed").json()["items"] == []
        assert client.get("/runs?other=1").status_code == 200


@table("name", [*RESOURCES, *PAGES])
def test_every_endpoint_requires_a_scope(name: str) -> None:
    routes = (RESOURCES.get(name) or PAGES[name]).routes
    assert routes
    for one in routes:
        assert isinstance(one, APIRoute | APIWebSocketRoute)
        if one.path in OPEN_PATHS:
            continue
        required = [each for each in one.dependencies if isinstance(each.dependency, RequiredScope)]
        assert len(required) == 1, one.path


ONLY_WAIT = {
    *("converse", "execute", "fork", "list_events", "list_events_of_run", "settle"),
    *("start", "stream_events", "stream_worlds"),
}
"""Endpoints that leave reading and computing to threads by themselves."""


def test_no_endpoint_delays_the_streams_of_other_callers() -> None:
    routes = [one for parts in (RESOURCES, PAGES) for part in parts.values() for one in part.routes]
    endpoints = [one.endpoint for one in routes if isinstance(one, APIRoute | APIWebSocketRoute)]
    assert {one.__name__ for one in endpoints if iscoroutinefunction(one)} == ONLY_WAIT
