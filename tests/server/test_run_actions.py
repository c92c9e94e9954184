"""An operator acts on runs over HTTP: each action is recorded with the name of the caller."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from attractor.base.locks import FileLock, holder_of, open_to_lock, try_lock
from attractor.engine.run_folder.layout import RunDirectory
from attractor.server.processes.run_processes import PROGRAM
from attractor.server.service import Service
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.base.running import command_lines
from tests.factory.flows import make_flow
from tests.patience import wait_until
from tests.pipeline.projects import git, make_project
from tests.server.conftest import SETTINGS, RunningServer, quick, serving
from tests.server.runs import BRANCHES, GATE, UNGUARDED, WAITING, await_rest, await_status, start


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def act(client: httpx.Client, run: str, action: str, **fields: object) -> dict[str, Any]:
    answer = client.post(f"/api/v1/runs/{run}/{action}", json=fields)
    assert answer.is_success, answer.text
    return answer.json()


def actions_in(server: RunningServer, run: str) -> list[tuple[str, str, str]]:
    """Return the orders to a run: action, name without its random end, and reason."""
    journal = server.service.project.runs_dir / run / "events.jsonl"
    found = [json.loads(line) for line in journal.read_text().splitlines()]
    data = [one["data"] for one in found if one["type"] == "OperatorAction"]
    return [(one["action"], one["by"][:-5], one["why"]) for one in data]


def allowed(client: httpx.Client, run: str) -> str:
    return " ".join(client.get(f"/api/v1/runs/{run}").json()["actions"])


def go(server: RunningServer) -> None:
    (server.service.project.root / "go").touch()


def test_paused_run_waits_and_is_resumed(server: RunningServer, client: httpx.Client) -> None:
    run = start(client, WAITING)
    await_status(client, run, lambda status: status["stage"] == "wait")
    refused = client.post(f"/api/v1/runs/{run}/resume")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:attractor:LockHeld")
    assert allowed(client, run) == "pause steer cancel fork rewind"
    assert act(client, run, "pause", why="lunch")["process"] == "live"
    await_status(client, run, lambda status: status["paused"])
    assert allowed(client, run) == "resume steer cancel fork rewind"
    go(server)
    assert act(client, run, "resume")["process"] == "live"
    assert await_rest(client, run)["outcome"] == "success"
    assert actions_in(server, run) == [
        ("pause", "ann-operate", "lunch"),
        ("resume", "ann-operate", ""),
    ]
    assert allowed(client, run) == "decide fork rewind"
    final = client.post(f"/api/v1/runs/{run}/pause")
    assert (final.status_code, final.json()["exit_code"]) == (409, 4)


def test_answer_reaches_the_live_process_of_a_run(
    server: RunningServer, client: httpx.Client
) -> None:
    run = start(client, BRANCHES)
    await_status(client, run, lambda status: bool(status["questions"]))
    assert act(client, run, "answer", answer="S", why="now")["process"] == "live"
    go(server)
    assert await_rest(client, run)["outcome"] == "success"
    assert ("answer", "ann-operate", "now") in actions_in(server, run)
    journal = server.service.project.runs_dir / run / "events.jsonl"
    assert '"proof":"token ann-operate' in journal.read_text()


def test_message_without_a_running_agent_is_refused(client: httpx.Client) -> None:
    run = start(client, WAITING)
    answer = client.post(f"/api/v1/runs/{run}/steer", json={"text": "use tabs"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:attractor:Refused")
    act(client, run, "cancel")
    await_rest(client, run)


def test_fork_keeps_the_old_run_and_rewind_cancels_it(
    server: RunningServer, client: httpx.Client
) -> None:
    run = start(client, GATE)
    await_rest(client, run)
    fork = act(client, run, "fork", at="build")["id"]
    await_rest(client, fork)
    assert client.get(f"/pipelines/{run}").json()["status"] == "awaiting_human"
    rewound = act(client, run, "rewind", at="build", why="again")["id"]
    assert await_rest(client, rewound)["parent"] == run
    assert client.get(f"/pipelines/{run}").json()["status"] == "canceled"
    assert actions_in(server, run) == [("cancel", "ann-operate", "rewound to build@1: again")]
    refused = client.post(f"/api/v1/runs/{run}/fork", json={"at": "nowhere"})
    assert refused.status_code == 404
    outside = client.post(f"/api/v1/runs/{run}/fork", json={"at": "build", "graph": "../x.dot"})
    assert outside.status_code == 400


def test_registered_version_runs_as_it_was_registered(
    server: RunningServer, client: httpx.Client
) -> None:
    project = server.service.project.root
    (project / "plan.md").write_text("The first plan")
    (project / "plan.dot").write_text(
        GATE.replace("build [", 'plan [prompt="@plan.md"]; build [').replace(
            "start -> build", "start -> plan -> build"
        )
    )
    first = client.post("/pipelines", json={"file": "plan.dot", **UNGUARDED}).json()["id"]
    await_rest(client, first)
    (project / "plan.md").unlink()
    (project / "plan.dot").write_text(GATE)
    again = client.post("/pipelines", json={"pipeline": "gate@1", **UNGUARDED}).json()["id"]
    assert await_rest(client, again)["status"] == "awaiting_human"
    prompt = project / "runs" / again / "plan" / "prompt.md"
    assert "The first plan" in prompt.read_text()


def test_inputs_reach_the_process_but_not_its_words(service: Service, project: Path) -> None:
    source = WAITING.replace("{ ", '{ inputs="key: secret"; ', 1).replace(
        '"true"', '"printenv ATTRACTOR_INPUT_KEY | wc -c", secrets="key"'
    )
    real = replace(service, processes=replace(service.processes, program=PROGRAM))
    with serving(real) as server, server.client() as client:
        run = start(client, source, inputs={"key": "hidden-value"})
        await_status(client, run, lambda status: status["stage"] == "wait")
        words = [word for line in command_lines().values() for word in line]
        go(server)
        await_rest(client, run)
        assert client.get(f"/pipelines/{run}/context").json()["tool.output"] == "13\n"
    assert [one for one in words if "--input=key=@file:" in one]
    assert not [one for one in words if "hidden-value" in one]


def test_run_is_evaluated_and_rebased_by_new_processes(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    run = flow.launch(evaluate=False).run_id
    git(flow.project, "commit", "--quiet", "--allow-empty", "--message", "Move on")
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    with serving(quick(Service.of(flow.project, state))) as server, server.client() as client:
        assert client.get(f"/pipelines/{run}").json()["status"] == "evaluating"
        assert act(client, run, "evaluate")["process"] == "started"
        assert await_rest(client, run)["status"] == "awaiting_human"
        assert client.get(f"/api/v1/runs/{run}/gate").json()["played"] == 1
        rebased = act(client, run, "rebase", onto="main")["id"]
        status = await_rest(client, rebased)
        assert (status["parent"], status["status"]) == (run, "awaiting_human")
        refused = client.post(f"/api/v1/runs/{run}/rebase", json={"onto": "nowhere"})
        assert (refused.status_code, refused.json()["type"]) == (400, "urn:attractor:UnknownBranch")
    journal = (flow.project / "runs" / run / "events.jsonl").read_text()
    [found] = [json.loads(one) for one in journal.splitlines() if '"RunRebased"' in one]
    assert found["data"]["by"].startswith("ann-operate")


def test_answer_to_a_run_that_is_being_parked_continues_it(
    server: RunningServer, client: httpx.Client
) -> None:
    run = start(client, GATE)
    await_rest(client, run)
    directory = RunDirectory(server.service.project.runs_dir / run)
    with ThreadPoolExecutor() as pool:
        with FileLock(directory.lock).acquire(wait=10):
            answered = pool.submit(act, client, run, "answer", answer="S")
            wait_until(lambda: [*directory.inbox.glob("*.json")])
        assert answered.result()["process"] == "started"
    assert await_rest(client, run)["outcome"] == "success"


def is_free(service: Service) -> bool:
    with open_to_lock(service.processes.folder / "slot-0") as slot:
        return try_lock(slot)


def test_answer_is_kept_if_no_process_can_start(service: Service) -> None:
    one = replace(service, processes=replace(service.processes, most=1))
    with serving(one) as server, server.client() as client:
        parked = start(client, GATE)
        await_rest(client, parked)
        # A process holds its slot for a moment longer than its run.
        wait_until(lambda: is_free(one))
        live = start(client, WAITING)
        answered = act(client, parked, "answer", answer="S")
        assert answered["process"] == "none"
        assert "limit of processes" in answered["words"]
        go(server)
        await_rest(client, live)
        wait_until(lambda: is_free(one))
        assert act(client, parked, "resume")["process"] == "started"
        assert await_rest(client, parked)["outcome"] == "success"


@pytest.mark.parametrize(
    ("place", "fields", "status"),
    [
        ("/start", {"file": "pipeline.dot", "goal": "nul \0"}, 400),
        ("/start", {"file": "pipeline.dot", "input.a=b": "c"}, 400),
        ("/runs/latest/fork", {"at": "x" * 2000}, 303),
    ],
)
def test_invalid_form_is_answered_with_its_faults(
    client: httpx.Client, place: str, fields: dict[str, str], status: int
) -> None:
    start(client, GATE)
    answer = client.post(place, data=fields)
    assert (answer.status_code, "location" in answer.headers) == (status, status == 303)


LIMITED = """
[[rules]]
[rules.answer.fault]
kind = "status"
status = 429
message = "slow down"
retry_after = "1h"
"""
ASKS = """digraph asks { start [shape=Mdiamond]; exit [shape=Msquare]
    ask [type=prompt, prompt="How many?"]
    start -> ask -> exit }
"""


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[tuple[RunningServer, str]]:
    """A server, and a run of it that waits because its account has reached a limit."""
    project = make_project(tmp_path / "project", **{"attractor.toml": SETTINGS})
    state = {"HOME": str(tmp_path), "ATTRACTOR_STATE_DIR": str(tmp_path / "state")}
    with in_background(ProviderTwin(parse_script(LIMITED))) as twin:
        environ = {"PATH": os.environ["PATH"], **state, **twin.environ()}
        with serving(quick(Service.of(project, environ))) as server, server.client() as client:
            run = start(client, ASKS, backend="agent", model="gpt-5.2")
            await_status(client, run, lambda status: status["status"] == "waiting")
            yield server, run
            if holder := holder_of(_lock(server, run)):
                os.kill(holder.pid, signal.SIGKILL)


def _lock(server: RunningServer, run: str) -> Path:
    return RunDirectory(server.service.project.runs_dir / run).lock


def test_run_that_waits_for_a_limit_says_until_when_and_asks_no_person(
    limited: tuple[RunningServer, str],
) -> None:
    server, run = limited
    with closing(server.browser()) as browser:
        page, listed = browser.get(f"/runs/{run}").text, browser.get("/runs").text
        for_person = browser.get("/runs", params={"status": "awaiting_human", "fragment": "list"})
    with server.client() as client:
        until = client.get(f"/pipelines/{run}").json()["wait"]["until"]
    assert f'Waiting for the limit of an account until <time datetime="{until}">' in page
    assert "running (waits for limit)" in page
    assert "<title>(" not in page
    assert "running (waits for limit)" in listed
    assert "<b>0</b> waiting for a person" in listed
    assert 'class="inbox"' not in listed
    assert run not in for_person.text


def test_resumed_run_waits_for_limits_or_fails(limited: tuple[RunningServer, str]) -> None:
    server, run = limited
    holder = holder_of(_lock(server, run))
    assert holder
    os.kill(holder.pid, signal.SIGKILL)
    with server.client() as client:
        await_rest(client, run)
        act(client, run, "resume", wait_for_limits=False)
        await_status(client, run, lambda status: "answered 429" in status["why_stopped"])
        await_rest(client, run)
        act(client, run, "resume", wait_for_limits=True)
        await_status(client, run, lambda status: status["status"] == "waiting")
        refused = client.post(f"/api/v1/runs/{run}/resume", json={"wait_for_limits": "perhaps"})
        assert refused.status_code == 422
