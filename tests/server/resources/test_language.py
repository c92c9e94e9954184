"""The text of a pipeline is checked, formatted, drawn, simulated and compared over HTTP."""

from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.projects import LINEAR
from tests.server.conftest import RunningServer

LONGER = LINEAR.replace("plan -> make", "plan -> check -> make")
FAULTY = LINEAR.replace("plan -> make", "plan -> nowhere")


def post(server: RunningServer, to: str, **body: Any) -> Any:
    with server.client("read") as client:
        answer = client.post(f"/api/v1/{to}", json=body)
        is_json = answer.headers["content-type"].endswith("json")
        return answer.json() if is_json else answer.text


def test_faults_are_found_as_by_the_command(server: RunningServer) -> None:
    found = post(server, "validate", source=FAULTY)
    assert [one["rule"] for one in found["diagnostics"] if one["severity"] == "error"]
    assert post(server, "validate", source=LINEAR)["summary"]["errors"] == 0
    assert post(server, "validate", source="digraph {")["diagnostics"][0]["rule"] == "syntax"


def test_text_is_formatted_simulated_and_drawn(server: RunningServer) -> None:
    formatted = post(server, "format", source=LINEAR)
    assert formatted["changed"]
    assert not post(server, "format", source=formatted["source"])["changed"]
    assert post(server, "simulate", source=LINEAR)["path"] == ["start", "plan", "make", "exit"]
    failing = post(server, "simulate", source=LINEAR, outcomes={"plan": "fail"})
    assert failing["outcome"] == "fail"
    assert post(server, "coverage", source=LINEAR)["unreachable_nodes"] == []
    assert post(server, "render", source=LINEAR).startswith("<svg")


def test_versions_are_compared_by_meaning(server: RunningServer) -> None:
    versions = {"before": {"source": LINEAR}, "after": {"source": LONGER}}
    assert "check" in str(post(server, "diff", **versions)["nodes"])
    assert post(server, "diff/drawing", **versions).startswith("<svg")


@pytest.mark.parametrize("file", ["../outside.dot", "/etc/x.dot", "a\0b"])
def test_files_outside_of_the_project_are_not_read(server: RunningServer, file: str) -> None:
    secret = Path(server.service.host.project.parent, "secret.md")
    secret.write_text("the secret")
    source = LINEAR.replace('"Plan: $goal"', '"@secret.md"')
    for to in ("validate", "simulate", "render"):
        answer = post(server, to, source=source, file=file)
        assert (answer["status"], answer["type"]) == (400, "urn:attractor:UsageError")
