"""Stages run by an agent that speaks the Agent Client Protocol."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from attractor import RunResult
from attractor.backends.acp import program as acp_program
from attractor.backends.model_proxy import ModelAccess
from attractor.backends.models import ModelChoice, ModelDefaults
from attractor.backends.programs import Task
from attractor.backends.registry import BackendParts, OutsideParts, backend_registry
from attractor.config.settings import BackendsSettings, ProgramSettings
from attractor.engine.outcome import Outcome
from attractor.engine.seams import Backend
from attractor.environments.local import LocalExecutionEnvironment
from tests.handlers.stages import Play, graph, node
from tests.patience import PATIENCE_S, until
from tests.spec.runs import between, environ_for, events, project_in, run

T = TypeVar("T")
AGENT = Path(__file__).with_name("acp_agent.py")
ENVIRON = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path)}


def backend(*words: str, model: str = "") -> Backend:
    provider = "gemini" if "gemini-cli" in words else "openai"
    parts = OutsideParts(
        environ={**ENVIRON, f"{provider.upper()}_API_KEY": "key-1"} if model else ENVIRON,
        defaults=ModelDefaults(model, provider),
        settings=BackendsSettings(
            acp=ProgramSettings(run=" ".join([sys.executable, str(AGENT), *words]))
        ),
    )
    return backend_registry()["acp"](BackendParts(outside=parts))


def play(folder: Path) -> Play:
    environment = LocalExecutionEnvironment(folder, environ=ENVIRON)
    return Play(graph(node("work", prompt="Do it")), "work", environment=environment)


def finish(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, PATIENCE_S))


def test_an_agent_works_and_reports(tmp_path: Path) -> None:
    made = play(tmp_path)
    outcome = finish(backend().run(made.stage, "Do it"))
    assert isinstance(outcome, Outcome)
    assert outcome.status == "success"
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (20, 10)
    assert (tmp_path / "made.txt").read_text() == "yes"
    assert (tmp_path / "asked.txt").read_text().startswith("Do it\n")
    assert made.files.texts["response.md"] == "Done."
    found = [(kind, data) for kind, data in made.events.all if kind.isupper()]
    assert [kind for kind, _ in found] == [
        *("SESSION_START", "USER_INPUT", "ASSISTANT_TEXT_START", "ASSISTANT_TEXT_END"),
        *("TOOL_CALL_START", "TOOL_CALL_END", "ASSISTANT_TEXT_START", "ASSISTANT_TEXT_END"),
        *("WARNING", "SESSION_END"),
    ]
    assert found[0][1]["version"] == "writer 1.2"
    assert found[3][1]["text"] == "I write a file."
    assert found[4][1]["arguments"] == {"path": "made.txt"}
    assert found[5][1]["output"] == "written"


@pytest.mark.parametrize(
    ("agent", "model", "chosen"),
    [
        ("gemini-cli", "any", "any"),
        ("end_turn", "large", "pick=large"),
        ("end_turn", "huge", "pick=openai/huge"),
        ("end_turn", "small", ""),  # already chosen
        ("end_turn", "", ""),
    ],
)
def test_model_of_the_stage_is_chosen_by_the_protocol(
    tmp_path: Path, agent: str, model: str, chosen: str
) -> None:
    made, file = play(tmp_path), tmp_path / "model.txt"
    finish(backend(agent, model=model).run(made.stage, "Do it"))
    assert (file.read_text() if file.exists() else "") == chosen
    assert recorded_model(made) == model
    assert "own model" not in str(made.events.all)


@pytest.mark.parametrize(
    ("agent", "why_not"),
    [("end_turn", "it does not offer the model"), ("refusal", "Method not found")],
)
def test_model_that_the_agent_does_not_use_is_not_recorded(
    tmp_path: Path, agent: str, why_not: str
) -> None:
    made = play(tmp_path)
    finish(backend(agent, model="unknown").run(made.stage, "Do it"))
    assert recorded_model(made) == ""
    [warned, *_] = [data["message"] for kind, data in made.events.all if kind == "WARNING"]
    assert warned == f"the agent works with its own model, not with 'unknown': {why_not}"


def recorded_model(made: Play) -> object:
    return next(data for kind, data in made.events.all if kind == "SESSION_START")["model"]


def two_stages(folder: Path, kind: str = "") -> RunResult:
    """Run two stages of one thread."""
    agent = f"{sys.executable} {AGENT}{kind}"
    (project_in(folder) / "attractor.toml").write_text(f"[backends.acp]\nrun = '{agent}'\n")
    text = between(
        "default_fidelity=full; thread_id=main",
        'one [prompt="First"]',
        'two [prompt="Second"]',
        "start -> one -> two -> exit",
    )
    environ = {**environ_for(folder), **ENVIRON}
    result = run(folder, text, backend="acp", environ=environ)
    assert result.completed == ("start", "one", "two")
    return result


def test_a_session_is_loaded_by_the_next_stage_of_its_thread(tmp_path: Path) -> None:
    result = two_stages(tmp_path)
    [continued] = events(result, "ThreadContinued")
    assert continued.node == "two"
    assert "This was said before" not in str(events(result))


def test_calls_of_gemini_have_the_paths_of_its_messages(tmp_path: Path) -> None:
    made = play(tmp_path)
    outcome = finish(backend("gemini-cli").run(made.stage, "Do it"))
    assert isinstance(outcome, Outcome)
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (7, 3)
    # The first option is `allow_always`.
    assert (tmp_path / "made.txt").read_text() == "yes"
    failed, called = [data for kind, data in made.events.all if kind == "TOOL_CALL_START"]
    assert (failed["tool_name"], failed["arguments"]) == (
        "edit_file",
        {"file_path": "missing.txt"},
    )
    assert called["tool_name"] == "edit_file"
    assert called["arguments"] == {
        "file_path": "made.txt",
        "old_string": "no\n",
        "new_string": "yes\n",
    }


def test_a_session_of_gemini_is_never_loaded(tmp_path: Path) -> None:
    result = two_stages(tmp_path, " gemini-cli")
    assert not events(result, "ThreadContinued")
    assert events(result, "FidelityDegraded")


def test_opencode_gets_the_address_and_the_key_of_its_models() -> None:
    access = ModelAccess("gemini", "http://127.0.0.1:1", "placeholder-1")
    for model, provider in (("gemini-x", "attractor"), ("", "google")):
        task = Task("", ModelChoice("gemini", model, ""), "/workspace", access=access)
        config = json.loads(acp_program(None).invoke(task).variables["OPENCODE_CONFIG_CONTENT"])
        options = config["provider"][provider]["options"]
        assert options == {"baseURL": "http://127.0.0.1:1/v1beta", "apiKey": "placeholder-1"}
        assert config.get("model", "") == (f"attractor/{model}" if model else "")


def test_a_message_reaches_the_agent_after_its_answer(tmp_path: Path) -> None:
    made, at_work = play(tmp_path), backend()
    (tmp_path / "wait").touch()

    async def scene() -> None:
        working = asyncio.create_task(at_work.run(made.stage, "Do it"))
        await until(lambda: (tmp_path / "asked.txt").exists())
        assert await at_work.steer("work@1.1", "And hurry")
        (tmp_path / "wait").unlink()
        await working
        assert not await at_work.steer("work@1.1", "Too late")

    finish(scene())
    assert (tmp_path / "asked.txt").read_text().endswith("---\nAnd hurry\n---\n")
    assert "STEERING_INJECTED" in made.events.kinds


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("refusal", "acp failed: the agent stopped: refusal"),
        ("no-such-reason", "acp failed: "),
        ("exit", "acp ended with exit status 7"),
    ],
)
def test_an_agent_that_stops_has_failed(tmp_path: Path, words: str, reason: str) -> None:
    outcome = finish(backend(words).run(play(tmp_path).stage, "Do it"))
    assert isinstance(outcome, Outcome)
    assert outcome.status == "fail"
    assert outcome.failure_reason.startswith(reason)
