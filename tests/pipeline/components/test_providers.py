"""Before its first stage, a run sends one request to each of its model providers."""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from attractor.base.errors import ExitCode
from attractor.config.settings import LlmSettings
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import BOOTING
from attractor.pipeline import execute
from attractor.pipeline.components.providers import ask_providers
from attractor.pipeline.execute import resume
from attractor.pipeline.plan.origins import New, Origin
from attractor.pipeline.plan.run_plan import Policy, RunRules
from attractor.pipeline.project.project import Project
from attractor.records.request import RunRequest
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, use, uses
from tests.pipeline.projects import adjusted, make_project, open_project
from tests.pipeline.test_boot import boot_steps
from tests.ports import free_port
from tests.tables import table

CHAT = "openai_compatible"
ADDRESSES = {one: f"{one.upper()}_BASE_URL" for one in MODELS}
KEYS = {one: f"{one.upper()}_API_KEY" for one in ADDRESSES}
REPORT = uses(use("report_outcome", {"outcome": "success"}))
TWIN = Script(rules=(Rule(when=When(step=0), answer=REPORT), Rule(answer=says("Well."))))


def environ_at(address: str, provider: str) -> dict[str, str]:
    return {KEYS[provider]: "a-secret-key", ADDRESSES[provider]: address}


@contextmanager
def answering(status: int, message: str) -> Generator[str]:
    """Answer each request with an error; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"error": {"message": message}}).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def ask(folder: Path, provider: str, environ: dict[str, str]) -> tuple[object, str]:
    opened = adjusted(open_project(folder / "project"), environ=environ)
    asked = asyncio.run(ask_providers([provider], opened))
    return asked.fields, asked.fault


@table("provider", ADDRESSES)
def test_twin_answers_and_closed_port_does_not(tmp_path: Path, provider: str) -> None:
    with in_background(ProviderTwin()) as twin:
        answered = ask(tmp_path, provider, {**twin.environ()})
        assert [one.method for one in twin.requests] == ["GET"]
    assert answered == ({"answers": {provider: "answered"}}, "")
    closed = environ_at(f"http://127.0.0.1:{free_port()}", provider)
    _, fault = ask(tmp_path, provider, closed)
    assert fault.startswith(f"the model provider {provider} does not answer: ")
    assert fault.endswith(" (check the network and its base URL)")


def test_refused_key_is_a_fault_and_any_other_answer_is_none(tmp_path: Path) -> None:
    with answering(401, "bad key a-secret-key") as address:
        for provider, key in KEYS.items():
            _, fault = ask(tmp_path, provider, environ_at(address, provider))
            assert f"{provider} refuses the API key of {key}: {provider} answered 401" in fault
            assert "a-secret-key" not in fault
    others = [(one, "no") for one in (403, 404, 429, 503)]
    for status, message in (*others, (401, "Missing scopes: api.model.read")):
        with answering(status, message) as address:
            answer = ask(tmp_path, "openai", environ_at(address, "openai"))
        assert answer == ({"answers": {"openai": f"answered {status}"}}, "")


def test_provider_without_a_list_of_models_is_not_asked(tmp_path: Path) -> None:
    opened = adjusted(open_project(tmp_path / "project"), environ={"GROQ_API_KEY": "a-secret-key"})
    notices: list[str] = []
    asked = asyncio.run(ask_providers(["groq"], adjusted(opened, tell=notices.append)))
    assert asked.fields == {"answers": {"groq": "not asked: no list of models"}}
    assert notices == ["Not asked whether they answer, for lack of a list: groq."]


def project_host(folder: Path, **more: Any) -> Project:
    nodes = f"""digraph asked {{ start [shape=Mdiamond]; exit [shape=Msquare]
        node [llm_model="{MODELS["openai"]}"]; one [prompt=One]; two [prompt=Two]
        start -> one -> two -> exit }}"""
    opened = adjusted(open_project(make_project(folder / "project", nodes)), **more)
    closed = environ_at(f"http://127.0.0.1:{free_port()}", "openai")
    return adjusted(opened, environ={**opened.machine.environ, **closed})


NO_POLICY = Policy()


def go(opened: Project, backend: str = "agent", policy: Policy = NO_POLICY) -> RunResult:
    async def find_policy(origin: Origin, request: RunRequest) -> Policy:
        return policy

    request = RunRequest(file=opened.root / "pipeline.dot", backend=backend, sandbox="none")
    return asyncio.run(execute.start(New(request), opened, RunRules(find_policy)))


def test_silent_provider_leaves_the_run_before_its_first_stage(tmp_path: Path) -> None:
    opened = project_host(tmp_path)
    begun = go(opened)
    for stopped in (begun, asyncio.run(resume(begun.directory, opened))):
        assert (stopped.status, stopped.exit_code) == (BOOTING, ExitCode.UNFINISHED)
        assert stopped.reason.startswith("the model provider openai does not answer: ")
        assert stopped.completed == ()
    with in_background(ProviderTwin(TWIN)) as twin:
        opened = adjusted(opened, environ={**opened.machine.environ, **twin.environ()})
        resumed = asyncio.run(resume(begun.directory, opened))
        assert [one.method for one in twin.requests].count("GET") == 1
    assert resumed.exit_code is ExitCode.DONE
    found = [one["answers"] for one in boot_steps(begun.directory) if one["step"] == "providers"]
    assert found == [{"openai": "no answer"}, {"openai": "no answer"}, {"openai": "answered"}]


@table(
    "llm, policy, skipped",
    [
        (None, Policy(asks_providers=False), ["policy.ask_providers is false"]),
        (LlmSettings(cache=Path("cache")), NO_POLICY, ["the cache may answer"]),
        (LlmSettings(fall_back={MODELS["openai"]: ("openai/gpt-5",)}), NO_POLICY, []),
    ],
)
def test_run_begins_without_a_request_to_its_provider(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    llm: LlmSettings | None,
    policy: Policy,
    skipped: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    opened = project_host(tmp_path, llm=llm)
    with in_background(ProviderTwin(TWIN)) as twin:
        opened = adjusted(opened, environ={**opened.machine.environ, **twin.environ()})
        done = go(opened, policy=policy)
        assert {one.method for one in twin.requests} == {"POST"}
    assert done.exit_code is ExitCode.DONE
    steps = [one for one in boot_steps(done.directory) if one["step"] == "providers"]
    assert [one["skipped"] for one in steps] == skipped


def test_simulation_asks_no_provider(tmp_path: Path) -> None:
    assert go(project_host(tmp_path), "simulate").exit_code is ExitCode.DONE
