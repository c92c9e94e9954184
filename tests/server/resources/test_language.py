"""The text of a pipeline is checked, formatted, drawn, simulated and compared over HTTP."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest

from attractor.server.service import Service
from tests.patience import until
from tests.pipeline.projects import LINEAR
from tests.server.conftest import RunningServer, serving

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


def test_words_are_proposed_at_the_cursor(server: RunningServer) -> None:
    line = LINEAR.split("\n").index('    plan  [prompt="Plan: $goal"]') + 1
    source = LINEAR.replace('prompt="Plan: $goal"', "llm_m")
    answer = post(server, "complete", source=source, line=line, column=17)
    assert answer["begun"] == "llm_m"
    assert [one["text"] for one in answer["proposals"]] == ["llm_model"]


@pytest.mark.parametrize("file", ["../x.dot", "/etc/x.dot", "a\0b.dot", "scenarios/x.dot", "x.txt"])
def test_places_outside_of_the_project_are_refused(server: RunningServer, file: str) -> None:
    for to in ("validate", "simulate", "render"):
        answer = post(server, to, source=LINEAR, file=file)
        assert (answer["status"], answer["type"]) == (400, "urn:attractor:UsageError")


@pytest.mark.parametrize(
    "name",
    ["../secret.md", "scenarios/todo/secret.md", "qa/holdout/secret.md", "linked.md", ".env"],
)
def test_hidden_files_are_never_shown(server: RunningServer, name: str) -> None:
    project = server.service.project.root
    for folder in ("scenarios/todo", "qa/holdout"):
        (project / folder).mkdir(parents=True)
    for place in ("../secret.md", "scenarios/todo/secret.md", "qa/holdout/secret.md", ".env"):
        (project / place).write_text("the secret words")
    (project / "linked.md").symlink_to("scenarios/todo/secret.md")
    (project / "shown.md").write_text("words to show")
    source = LINEAR.replace('"Plan: $goal"', '"@shown.md"')
    after = LINEAR.replace('"Plan: $goal"', f'"@{name}"')
    assert "words to show" in post(server, "render", source=source)
    for to in ("validate", "simulate", "render", "coverage"):
        assert "secret words" not in str(post(server, to, source=after))
    both = {"before": {"source": LINEAR}, "after": {"source": after}}
    assert "secret words" not in str(post(server, "diff", **both))


class ClosedGate(AbstractAsyncContextManager[None]):
    """Lets requests wait until a test opens it."""

    def __init__(self) -> None:
        self.is_open = threading.Event()

    async def __aenter__(self) -> None:
        await until(self.is_open.is_set)

    async def __aexit__(self, *_: object) -> None:
        pass


def test_waiting_checks_take_no_thread_from_others(service: Service) -> None:
    gate = ClosedGate()
    with (
        serving(replace(service, turns=gate)) as server,
        server.client("read") as client,
        ThreadPoolExecutor(50) as pool,
    ):
        body = {"source": LINEAR}
        sent = [pool.submit(client.post, "/api/v1/validate", json=body) for _ in range(50)]
        answer = client.get("/api/v1/version")
        assert (answer.status_code, any(one.done() for one in sent)) == (200, False)
        gate.is_open.set()
        assert {one.result().status_code for one in sent} == {200}
