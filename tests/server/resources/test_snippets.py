"""Snippets are executed over HTTP, with the request and the answer of the seed."""

import asyncio
import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from attractor.server.service import Service
from attractor.snippets.snippet import Snippet
from tests.patience import wait_until
from tests.server.conftest import RunningServer, serving
from tests.snippets.sandboxes import processes_with, wait_for
from tests.snippets.test_execution import ANSWER, EXAMPLE

PATH = "/api/evals/execute"
JSON = {"content-type": "application/json"}
MARK = "mark-of-a-snippet-over-http-77d"
SLEEPING: dict[str, Any] = {"code": "import time; time.sleep(1000)", "argv": [MARK], "timeout": 200}


@pytest.mark.usefixtures("sandbox_allowed")
def test_example_is_answered_key_by_key(server: RunningServer) -> None:
    with server.client() as client:
        assert client.post(PATH, json=EXAMPLE).json() == ANSWER
        extended = client.post(PATH, params={"extended": 1}, json=EXAMPLE).json()
    assert extended == ANSWER | {"stderr": "", "timedOut": False, "truncated": False}


INVALID: list[tuple[dict[str, Any], str]] = [
    ({}, "give either code or command"),
    ({"code": "1", "command": "ls"}, "give either code or command"),
    ({"code": "1", "shell": True}, "shell: Extra inputs are not permitted"),
    ({"code": "1", "timeout": 1000}, "timeout: Input should be less than or equal to 300"),
    ({"code": "1", "files": [{"path": "../x", "content": ""}]}, "'../x' is not a path below"),
]


def test_invalid_request_is_refused(server: RunningServer) -> None:
    with server.client() as client:
        for body, fault in INVALID:
            answer = client.post(PATH, json=body)
            assert answer.status_code == 422, body
            assert fault in answer.json()["detail"]


def test_scope_to_read_is_too_low(server: RunningServer) -> None:
    with server.client("read") as client:
        assert client.post(PATH, json=EXAMPLE).status_code == 403


def test_without_a_sandbox_the_remedy_is_answered(project: Path, tmp_path: Path) -> None:
    variables = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    variables["ATTRACTOR_STATE_DIR"] = str(tmp_path / "state")
    with serving(Service.of(project, variables)) as server, server.client() as client:
        answer = client.post(PATH, json=EXAMPLE)
    assert answer.status_code == 503
    assert "no bwrap on PATH" in answer.json()["detail"]
    assert "install bubblewrap" in answer.json()["hint"]


@pytest.mark.usefixtures("sandbox_allowed")
def test_sandbox_ends_when_the_caller_has_gone(server: RunningServer) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    headers = {"authorization": f"Bearer {server.token('operate')}", **JSON}
    connection.request("POST", PATH, json.dumps(SLEEPING), headers)
    wait_for(MARK, present=True)
    # Meanwhile, other requests are answered.
    with server.client("read") as other:
        assert other.get("/api/v1/version").status_code == 200
    connection.close()
    wait_for(MARK, present=False)
    wait_until(lambda: 499 in [one.status for one in server.log], lambda: server.log)


@pytest.mark.usefixtures("sandbox_allowed")
def test_sandbox_ends_with_the_server(service: Service) -> None:
    async def serve() -> None:
        async with service.running():
            executing = asyncio.create_task(
                service.snippets.execute(Snippet.model_validate(SLEEPING))
            )
            await asyncio.to_thread(wait_for, MARK, present=True)
        assert processes_with(MARK) == []
        with pytest.raises(asyncio.CancelledError):
            await executing

    asyncio.run(serve())
