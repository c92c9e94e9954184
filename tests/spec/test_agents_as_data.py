"""Agents as data: a run with the agents of a project and with shipped ones, over real HTTP."""

from pathlib import Path

import pytest

from attractor.agent.errors import InvalidAgent
from attractor.language.diagnostics import NotRunnable
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, model_requests, says, use, uses
from tests.spec.runs import Person, between, environ_for, events, project_in, resume, run

PIPELINE = between(
    "judge_it [agent=reviewer, prompt=Judge]",
    "grow_it [agent=gardener, prompt=Grow]",
    "start -> judge_it -> grow_it -> exit",
)
OURS = """
model = "claude-opus-4-6"
permissions = "read-only"
"""
REPORT = uses(use("report_outcome", {"outcome": "success"}))
WRITE = uses(use("write_file", {"file_path": "weeds", "content": ""}))
SCRIPT = Script(
    rules=(
        Rule(when=When(step=0), answer=WRITE),
        Rule(when=When(step=1), answer=REPORT),
        Rule(when=When(step=2), answer=says("Done.")),
    )
)


def write_agent(folder: Path, name: str, text: str, prompt: str) -> Path:
    own = project_in(folder) / "agents" / name
    own.mkdir(parents=True)
    (own / "agent.toml").write_text(text)
    (own / "prompt.md.j2").write_text(prompt)
    return own / "agent.toml"


def test_agents_have_the_role_the_model_and_the_tools_of_their_folder(tmp_path: Path) -> None:
    write_agent(tmp_path, "gardener", OURS, "Weed as {{ model }}, {{ permissions }}.")
    with in_background(ProviderTwin(SCRIPT)) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        result = run(tmp_path, PIPELINE, backend="agent", model=MODELS["openai"], environ=environ)
        asked = [str(request.body) for request in model_requests(twin)]
    assert result.completed == ("start", "judge_it", "grow_it")
    shipped, own = asked[0], asked[3]
    assert "Your role: reviewer" in shipped
    assert "Weed as claude-opus-4-6, read-only." in own
    assert "Unknown tool: write_file" in asked[1]
    assert "Unknown tool: write_file" in asked[4]
    assert not (project_in(tmp_path) / "weeds").exists()
    chosen = [one.data for one in events(result, "AgentChosen")]
    assert [(one["agent"], one["permissions"]) for one in chosen] == [
        ("reviewer", "read-only"),
        ("gardener", "read-only"),
    ]
    sessions = [one.data["model"] for one in events(result, "SESSION_START")]
    assert sessions == [MODELS["openai"], "claude-opus-4-6"]


def test_mistakes_in_an_agent_stop_a_run_before_its_first_stage(tmp_path: Path) -> None:
    with pytest.raises(NotRunnable, match="agent=gardener: unknown agent 'gardener'"):
        run(tmp_path, PIPELINE, backend="agent", model=MODELS["openai"])
    file = write_agent(tmp_path, "gardener", 'permission = "full"\n', "Weed.")
    with pytest.raises(InvalidAgent) as raised:
        run(tmp_path, PIPELINE, backend="agent", model=MODELS["openai"])
    assert raised.value.message == f"{file}:1: unknown key permission"
    assert raised.value.hint == "did you mean permissions?"
    assert not list(project_in(tmp_path).glob("runs/*/events.jsonl"))


WAITING = between(
    "ask [shape=hexagon, label=Ready]",
    "grow_it [agent=gardener, prompt=Grow]",
    "start -> ask",
    "ask -> grow_it [label=Yes]",
    "grow_it -> exit",
)


def test_resumed_run_keeps_the_agents_with_which_it_began(tmp_path: Path) -> None:
    file = write_agent(tmp_path, "gardener", OURS, "Weed as {{ model }}.")
    rules = (
        Rule(when=When(step=0), answer=REPORT),
        Rule(when=When(step=1), answer=says("Done.")),
    )
    with in_background(ProviderTwin(Script(rules=rules))) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        waiting = run(
            tmp_path,
            WAITING,
            backend="agent",
            model=MODELS["openai"],
            environ=environ,
            interviewer="park",
        )
        file.write_text('permissions = "full"\n')
        (file.parent / "prompt.md.j2").write_text("Plant.")
        resumed = resume(tmp_path, environ=environ, interviewer=Person("Yes"))
        asked = [str(request.body) for request in model_requests(twin)]
        [chosen] = events(resumed, "AgentChosen")
        assert (resumed.directory, chosen.data["permissions"]) == (waiting.directory, "read-only")
        assert "Weed as claude-opus-4-6." in asked[0]
        assert "Plant." not in asked[0]
