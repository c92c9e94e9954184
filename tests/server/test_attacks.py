"""Attacks on every operation and page are refused, logged and harmless.

Each test sends hundreds of requests, because a route may lack a check that others have.
"""

import html
import http.client
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from fastapi.routing import APIRoute

from attractor.base.errors import UnknownName
from attractor.factory.operator_process import Scope
from attractor.records.transcript import TRANSCRIPT
from attractor.server.access.callers import COOKIE
from attractor.server.access.limits import LIMITS, UNLIMITED
from attractor.server.application import OPENAPI, PAGES, RESOURCES
from attractor.server.http.guard import OPEN_PATHS
from attractor.server.http.scopes import RequiredScope
from attractor.server.service import Service
from tests.browsers import chromium
from tests.counts import count
from tests.needs import needs_bubblewrap
from tests.patience import PATIENCE_S
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.runs import await_rest, start

CANARY = "a file outside of all runs"
NASTY = (
    """<script>window.ran=1</script>"><img src=x onerror=window.ran=2><svg onload=window.ran=3>"""
)
IN_DOT = NASTY.replace('"', r"\"")
PIPELINE = f"""digraph attacked {{ graph [goal="Goal {IN_DOT}", label="Graph {IN_DOT}"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    plan [prompt="Prompt {IN_DOT}", label="Plan {IN_DOT}"]
    make [shape=parallelogram, tool_command="echo '{IN_DOT}' | tee '<img src=x onerror=ran=4>'"]
    ask  [shape=hexagon, label="Ask {IN_DOT}"]
    start -> plan -> make -> ask -> exit [label="Go {IN_DOT}"] }}
"""


@dataclass(frozen=True)
class Operation:
    """An operation of the API, or a page."""

    method: str
    path: str
    scope: Scope
    body: bytes
    content_type: str

    @property
    def names(self) -> list[str]:
        """The parameters of the path."""
        return re.findall(r"{(\w+)", self.path)

    def at(self, places: Mapping[str, str]) -> str:
        """Return the address with values of the parameters."""
        return re.sub(r"{(\w+)(?::path)?}", lambda found: places.get(found[1], "none"), self.path)


@dataclass(frozen=True)
class Target:
    """A server under attack, with valid values of parameters, and valid proofs."""

    server: RunningServer
    connection: http.client.HTTPConnection
    places: Mapping[str, str]
    proofs: Mapping[str, Mapping[str, str]]
    operations: list[Operation]

    def send(
        self, one: Operation, headers: Mapping[str, str], places: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        """Send a request with an unchanged path, safe or not; return status, headers and text."""
        path = one.at(places or self.places)
        self.connection.putrequest(one.method, path, skip_host="host" in headers)
        length = {"Content-Length": str(len(one.body)), "Content-Type": one.content_type}
        for name, value in {**(length if one.body else {}), **headers}.items():
            self.connection.putheader(name, value)
        self.connection.endheaders(one.body)
        answer = self.connection.getresponse()
        return answer.status, str(answer.headers), answer.read().decode(errors="replace")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server with a run, and no limit on the number of requests."""
    folder = tmp_path_factory.mktemp("attacks")
    (folder / "secret.txt").write_text(CANARY)
    project = make_project(folder / "project", **{"attractor.toml": SETTINGS})
    (project / "secret.txt").write_text(CANARY)
    with serving(service_of(project), limits=UNLIMITED) as server:
        with server.client("decide") as client:
            run = start(client, PIPELINE, workspace="isolated")
            await_rest(client, run)
            document = client.get(OPENAPI).json()
        proofs = {str(one): {"authorization": f"Bearer {server.token(one)}"} for one in Scope}
        with closing(server.browser()) as browser:
            proofs["session"] = {"cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
        places = {"run": run, "stage": "make", "name": "stdout.txt", "question": "ask"}
        places |= {"id": run, "rule": "dead_end"}
        address = urlsplit(server.url).netloc
        with closing(http.client.HTTPConnection(address, timeout=PATIENCE_S)) as connection:
            yield Target(server, connection, places, proofs, list(operations_in(document)))


def operations_in(document: dict[str, Any]) -> Iterator[Operation]:
    """Yield the operations of the API and the pages, with valid bodies."""
    for registry in (RESOURCES, PAGES):
        for part in registry.values():
            for one in part.routes:
                if not isinstance(one, APIRoute) or one.path in OPEN_PATHS:
                    continue
                [scope] = [
                    each.dependency.scope
                    for each in one.dependencies
                    if isinstance(each.dependency, RequiredScope)
                ]
                for method in one.methods or ():
                    yield Operation(method, one.path, scope, *_body(one, method, document))


def _body(route: APIRoute, method: str, document: dict[str, Any]) -> tuple[bytes, str]:
    """Return a valid body: without one, an operation does not look at its path."""
    if method == "GET":
        return b"", ""
    if not route.include_in_schema:
        fields = {one.name: FORM.get(one.name, "text") for one in route.dependant.body_params}
        return urlencode(fields).encode(), "application/x-www-form-urlencoded"
    described = document["paths"][route.path_format][method.lower()]
    schema = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    return json.dumps(_example(schema.get("schema", {}), document)).encode(), "application/json"


FORM = {"verdict": "rejected", "expires": "7d"}


def _example(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """Return a value that a JSON schema allows, with required fields only."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return _example(document["components"]["schemas"][name], document)
    if schema.get("type") == "object":
        required = schema.get("required", [])
        return {one: _example(schema["properties"][one], document) for one in required}
    if "enum" in schema:
        return schema["enum"][0]
    values: dict[str, Any] = {"integer": 1, "array": [], "boolean": True}
    return values.get(schema.get("type", ""), "text of a test")


FOREIGN = {"origin": "http://evil.example"}
HUGE = {"Content-Length": str(10**12)}


def test_requests_of_others_are_refused_by_every_operation(target: Target) -> None:
    server = target.server
    logged = len(server.log)
    refused = 0
    for one in target.operations:
        lower = [scope for scope in Scope if not scope.includes(one.scope)]
        own = target.proofs[one.scope]
        attacks: list[tuple[Mapping[str, str], int]] = [
            ({}, 401),
            ({"authorization": "Bearer guessed"}, 401),
            ({"cookie": f"{COOKIE}=guessed"}, 401),
            ({**own, "host": "evil.example"}, 403),
            ({**own, **FOREIGN}, 403),
            ({**own, "sec-fetch-site": "same-site"}, 403),
            *((target.proofs[scope], 403) for scope in lower),
        ]
        if one.method != "GET":
            attacks += [(target.proofs["session"], 403), ({**own, **HUGE}, 413)]
        for headers, status in attacks:
            assert target.send(one, headers)[0] == status, (one, headers)
        refused += len(attacks)
    assert len(server.log) - logged >= refused - 1
    assert all(line.reason for line in server.log if line.status in (401, 403, 413))


PATHS = [
    *("..", "%2e%2e%2f..%2fsecret.txt", "latest%00", "a" * 5000),
    *("latest:..", "../../secret.txt", "%2fetc%2fpasswd", "%ff%fe", "%0d%0aset-cookie:%20stolen=1"),
]


def test_no_path_leads_out(target: Target) -> None:
    for one in target.operations:
        headers = target.proofs[one.scope]
        for name in one.names:
            for value in PATHS[: count(ci=3, full=len(PATHS))]:
                status, answered, text = target.send(one, headers, {**target.places, name: value})
                words = (one, name, value[:40], status, text[:300])
                assert status in (303, 400, 404, 405, 409, 422), words
                assert CANARY not in text, words
                assert "root:" not in text, words
                assert "set-cookie: stolen" not in answered, words


def test_folder_of_a_tool_is_not_taken_for_a_run(target: Target) -> None:
    service = target.server.service
    run = service.root("latest")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(service.project.root)
        shutil.copytree(run, "latest")
        with pytest.raises(UnknownName):
            service.root("latest")


@needs_bubblewrap
def test_tool_in_a_sandbox_finds_no_way_in(target: Target) -> None:
    server, session = target.server, target.proofs["session"]
    state = server.service.project.machine.state_dir
    look = f"ls {state}; cat {state}/sessions.json {state}/tokens.json; env; true"
    source = f"""digraph look {{ start [shape=Mdiamond]; exit [shape=Msquare]
        look [shape=parallelogram, tool_command="{look}"]
        start -> look -> exit }}"""
    with server.client("operate") as client:
        run = start(client, source, workspace="isolated", sandbox="auto")
        assert await_rest(client, run)["outcome"] == "success"
        stage = f"/api/v1/runs/{run}/stages/look/files"
        seen = "".join(client.get(f"{stage}/{one}").text for one in ("stdout.txt", "stderr.txt"))
    assert seen.count("No such file") == 3
    assert "PATH=" in seen
    cookie = session["cookie"].partition("=")[2]
    assert not any(one in seen for one in ("digest", "ATTRACTOR_TOKEN", cookie))


VIEWS = [
    *("/runs", "/runs/{run}", "/runs/{run}/changes", "/runs/{run}/events", "/runs/{run}/context"),
    *("/runs/{run}/checkpoint", "/runs/{run}/decision", "/runs/{run}/stages/plan?tab=prompt"),
    *("/runs/{run}/stages/plan", "/runs/{run}/stages/make?tab=changes", "/specs", "/system"),
    *("/runs/{run}/stages/make?tab=transcript", "/runs/{run}/stages/make?tab=details"),
    *("/runs/{run}/stages/make?tab=files", "/runs/{run}/stages/make/files/stdout.txt"),
    *("/api/v1/runs/{run}", "/api/v1/runs/{run}/stages/make/files/stdout.txt"),
    *("/pipelines/{run}/graph", "/runs/%3Cscript%3Ewindow.ran=1%3C%2Fscript%3E"),
]


def test_no_script_in_a_text_is_executed(target: Target) -> None:
    place = target.server.service.project.runs_dir / target.places["run"] / "make" / TRANSCRIPT
    place.write_text(json.dumps({"kind": "ASSISTANT_TEXT_END", "text": f"Said {NASTY}"}) + "\n")
    cookie = target.proofs["session"]["cookie"].partition("=")[2]
    shown: list[str] = []
    with chromium() as screen:
        page = screen.page
        page.context.add_cookies([{"name": COOKIE, "value": cookie, "url": target.server.url}])
        for view in VIEWS:
            page.goto(target.server.url + view.format(**target.places))
            assert page.evaluate("window.ran") is None, view
            assert not [one for one in screen.said if "Content Security Policy" in one], view
            if "<script>window.ran" in html.unescape(page.content()):
                shown.append(view)
    assert len(shown) > len(VIEWS) // 2


def test_flood_of_streams_is_refused(service: Service) -> None:
    limits = replace(LIMITS, open_requests=5)
    with serving(service, limits=limits) as server, server.client("read") as client:
        stream = {"accept": "text/event-stream"}
        with ExitStack() as flood:
            opened = [
                flood.enter_context(client.stream("GET", "/api/v1/events", headers=stream))
                for _ in range(50)
            ]
            assert [one.status_code for one in opened] == [200] * 5 + [429] * 45
            with server.client("read") as other:
                assert other.get("/api/v1/version").status_code == 200
    assert len([one for one in server.log if one.status == 429]) == limits.refusals
