"""A client runs pipelines by the endpoints of attractor-spec 9.5 and 11.11."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cli.running import run_here
from tests.server.conftest import RunningServer
from tests.server.runs import ENDS, GATE, UNGUARDED, WAITING, await_rest, await_status, start

HIDDEN_PROMPT = """digraph hidden {
    graph [goal="Read a hidden scenario"]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    work [prompt="@scenarios/todo/holdout/made.scenario.toml"]
    start -> work -> exit
}"""


def test_scripted_client_uses_the_endpoints_of_the_specification(server: RunningServer) -> None:
    with server.client() as client:
        answer = client.post("/pipelines", json={"source": GATE, **UNGUARDED})
        run = answer.json()["id"]
        place = f"/pipelines/{run}"
        assert (answer.status_code, answer.headers["location"]) == (201, place)
        assert client.get(answer.json()["links"]["self"]).json()["id"] == run
        status = await_rest(client, run)
        assert (status["status"], status["next_node"]) == ("awaiting_human", "ask")
        assert status["completed_nodes"] == ["start", "build"]
        graph = client.get(f"{place}/graph")
        assert graph.headers["content-type"] == "image/svg+xml"
        assert "waiting" in graph.text
        tag = graph.headers["etag"]
        for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = client.get(f"{place}/graph", headers={"if-none-match": sent})
            assert (again.status_code, again.content) == (304, b"")
        [question] = client.get(f"{place}/questions").json()
        assert (question["text"], [one["key"] for one in question["choices"]]) == (
            "Ship it?",
            ["S", "A"],
        )
        checkpoint = client.get(f"{place}/checkpoint").json()
        assert (checkpoint["current_node"], checkpoint["next_node"]) == ("build", "ask")
        context = client.get(f"{place}/context").json()
        assert context["tool.output"] == "built\n"
        answered = client.post(
            f"{place}/questions/{question['id']}/answer", json={"answer": "ship", "why": "ready"}
        )
        assert (answered.status_code, answered.json()["process"]) == (200, "started")
        assert await_rest(client, run)["outcome"] == "success"
        assert client.get(f"{place}/questions").json() == []
        assert client.get(f"{place}/graph").headers["etag"] != graph.headers["etag"]
        other = start(client, WAITING)
        # The process that took the order may have ended before the answer is written.
        canceled = client.post(f"/pipelines/{other}/cancel", json={"why": "wrong"}).json()
        assert canceled["process"] in ("live", "none")
        assert await_rest(client, other)["status"] == "canceled"


def test_names_of_the_definition_of_done_are_aliases(server: RunningServer) -> None:
    with server.client() as client:
        run = client.post("/run", json={"source": GATE, **UNGUARDED}).json()["id"]
        await_rest(client, run)
        assert client.get("/status", params={"id": run}).json()["status"] == "awaiting_human"
        answered = client.post("/answer", json={"id": run, "answer": "S"})
        assert answered.json()["value"] == "S"
        assert await_rest(client, run)["outcome"] == "success"


def test_run_over_http_continues_on_the_command_line(server: RunningServer) -> None:
    (server.service.project.root / "plan.md").write_text("Plan $goal")
    source = GATE.replace("build [", 'plan [prompt="@plan.md"]; build [').replace(
        "start -> build", "start -> plan -> build"
    )
    project, environ = server.service.project.root, server.service.project.machine.environ
    with server.client() as client:
        run = start(client, source, goal="something")
        await_rest(client, run)
    prompt = (project / "runs" / run / "plan" / "prompt.md").read_text()
    assert "Plan something" in prompt
    for words in (["status", run], ["answer", run, "ship", "--resume"], ["render", run]):
        done = run_here(words, folder=project, variables=environ)
        assert done.returncode == 0, done.stderr


def test_child_has_the_name_of_its_run_and_its_stage(server: RunningServer) -> None:
    (server.service.project.root / "child.dot").write_text(GATE)
    stages = 'work [type="pipeline", file="child.dot"]; start -> work -> exit'
    source = f"digraph parent {{ {ENDS}; {stages} }}"
    with server.client() as client:
        run = start(client, source)
        await_rest(client, run)
        child = client.get(f"/pipelines/{run}:work@1.1").json()
        assert (child["id"], child["pipeline"]) == (f"{run}:work@1.1", "gate")
        assert client.get(child["links"]["context"]).json()["tool.output"] == "built\n"
        refused = client.post(f"/api/v1/runs/{child['id']}/resume")
        assert (refused.status_code, run in refused.json()["detail"]) == (400, True)
        client.post("/answer", json={"id": run, "answer": "S"})
        assert await_rest(client, run)["outcome"] == "success"


def test_repeated_request_starts_one_run(server: RunningServer) -> None:
    body, headers = {"source": GATE, **UNGUARDED}, {"idempotency-key": "one"}
    with server.client() as client, ThreadPoolExecutor() as pool:
        sent = [
            pool.submit(client.post, "/pipelines", json=body, headers=headers) for _ in range(2)
        ]
        [run] = {one.result().json()["id"] for one in sent}
        await_rest(client, run)
    made = server.service.project.runs_dir.glob("*/manifest.json")
    assert [one.parent.name for one in made] == [run]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"source": "digraph x { a -> }"}, 422, "missing target"),
        ({"source": HIDDEN_PROMPT}, 422, "the file is not shown"),
        ({"source": GATE.replace("exit }", "nowhere }")}, 422, "orphan node"),
        ({"file": "../secret.dot"}, 400, "outside"),
        ({"file": "missing.dot"}, 400, "missing.dot"),
        ({"file": ".env"}, 400, "no place for a pipeline"),
        ({"file": "qa/holdout/one.scenario.toml"}, 400, "no place for a pipeline"),
        ({"pipeline": "unknown"}, 404, "unknown"),
        ({}, 400, "exactly one"),
        ({"source": GATE, "file": "pipeline.dot"}, 400, "exactly one"),
        ({"source": GATE, "suite": "unknown"}, 404, "unknown"),
        ({"source": GATE, "backend": "unknown"}, 400, "unknown"),
        ({"source": GATE, "max_duration": "soon"}, 400, "soon"),
        ({"source": GATE, "colour": "red"}, 422, "colour"),
        ({"source": GATE, "goal": "nul \0"}, 422, "goal"),
        ({"source": GATE.replace("built", "\ud800")}, 422, "source"),
        ({"source": GATE, "inputs": {"key": "\ud800"}}, 422, "inputs"),
    ],
)
def test_run_that_cannot_begin_is_a_problem(
    server: RunningServer, body: dict[str, object], status: int, words: str
) -> None:
    with server.client() as client:
        # As ASCII: UTF-8 cannot encode half of a surrogate pair.
        content = json.dumps({**UNGUARDED, **body})
        headers = {"content-type": "application/json"}
        answer = client.post("/pipelines", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert not [*server.service.project.runs_dir.glob("*/manifest.json")]


def test_faults_of_a_pipeline_are_listed(server: RunningServer) -> None:
    with server.client() as client:
        answer = client.post("/pipelines", json={"source": 'digraph x { a [shpe="box"] }'})
    problem = answer.json()
    assert problem["type"] == "urn:attractor:ValidationError"
    rules = {one["rule"] for one in problem["diagnostics"]}
    assert {"start_node", "terminal_node"} <= rules


def test_reader_may_look_but_not_act(server: RunningServer) -> None:
    with server.client() as client:
        run = start(client, GATE)
        await_status(client, run, lambda status: bool(status["questions"]))
        asked = client.get(f"/pipelines/{run}/questions").json()[0]["id"]
    with server.client("read") as reader:
        for place in ("", "/graph", "/questions", "/checkpoint", "/context"):
            assert reader.get(f"/pipelines/{run}{place}").status_code == 200
        for place in ("/cancel", f"/questions/{asked}/answer"):
            answer = reader.post(f"/pipelines/{run}{place}", json={"answer": "S"})
            assert answer.status_code == 403
        assert reader.post("/pipelines", json={"source": GATE}).status_code == 403


def test_latest_without_a_run_is_not_found(server: RunningServer) -> None:
    with server.client() as client:
        for place in ("/pipelines/latest", "/status", "/api/v1/runs/latest"):
            answer = client.get(place)
            assert (answer.status_code, answer.json()["type"]) == (404, "urn:attractor:NoRun")
