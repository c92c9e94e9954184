"""Every resource answers callers with the right scope, and errors as problems."""

from inspect import iscoroutinefunction

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute

from attractor.server.application import PAGES, RESOURCES
from attractor.server.http.guard import OPEN_PATHS
from attractor.server.http.problems import PROBLEM
from attractor.server.http.scopes import RequiredScope
from tests.server.conftest import RunningServer
from tests.tables import table


def test_version_is_shown_to_callers_with_a_token(server: RunningServer) -> None:
    with server.client("read") as client:
        answer = client.get("/api/v1/version")
    assert answer.status_code == 200
    assert answer.json()["project"] == str(server.service.host.project)


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


ONLY_WAIT = {"converse", "execute", "list_events", "list_events_of_run", "start", "stream_events"}
"""Endpoints that leave reading and computing to threads by themselves."""


def test_no_endpoint_delays_the_streams_of_other_callers() -> None:
    routes = [one for parts in (RESOURCES, PAGES) for part in parts.values() for one in part.routes]
    endpoints = [one.endpoint for one in routes if isinstance(one, APIRoute | APIWebSocketRoute)]
    assert {one.__name__ for one in endpoints if iscoroutinefunction(one)} == ONLY_WAIT
