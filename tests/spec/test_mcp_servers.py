"""MCP servers of the settings and of an agent, in whole runs over real HTTP."""

import sys
from pathlib import Path

from attractor import RunResult
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, model_requests, says, use, uses
from tests.examples import ROOT
from tests.spec.runs import between, environ_for, events, project_in, run

SERVER = f"""
command = "{sys.executable}"
args = ["-m", "tests.agent.mcp_example", "stdio"]
env = {{ PYTHONPATH = "{ROOT}", API_KEY = "key-of-the-server" }}
"""
SCRIPT = Script(
    rules=(
        Rule(when=When(step=0), answer=uses(use("ours__variable", {"name": "API_KEY"}))),
        Rule(when=When(step=1), answer=uses(use("report_outcome", {"outcome": "success"}))),
        Rule(when=When(step=2), answer=says("Done.")),
    )
)


def go(folder: Path, attributes: str = "") -> tuple[RunResult, list[str]]:
    """Run one stage, and return the result and the requests to the model."""
    with in_background(ProviderTwin(SCRIPT)) as twin:
        environ = {**environ_for(folder), **twin.environ()}
        pipeline = between(
            f"work [prompt=Work, max_retries=0 {attributes}]", "start -> work -> exit"
        )
        result = run(folder, pipeline, backend="agent", model=MODELS["openai"], environ=environ)
        return result, [str(request.body) for request in model_requests(twin)]


def test_a_server_of_the_settings_serves_every_agent(tmp_path: Path) -> None:
    (project_in(tmp_path) / "attractor.toml").write_text(f"[agent.mcp.ours]{SERVER}")
    result, asked = go(tmp_path)
    assert result.completed == ("start", "work")
    assert "ours__add" in asked[0]
    assert "key-of-the-server in " in asked[1]
    written = [file.read_text() for file in result.directory.rglob("*") if file.is_file()]
    assert [text for text in written if "key-of-the-server" in text] == []


def test_a_server_of_an_agent_serves_this_agent(tmp_path: Path) -> None:
    own = project_in(tmp_path) / "agents" / "mine"
    own.mkdir(parents=True)
    (own / "agent.toml").write_text(f"tools = []\n[mcp.ours]{SERVER}")
    (own / "prompt.md.j2").write_text("Use {{ tools | join(' and ') }}.")
    result, asked = go(tmp_path, ", agent=mine")
    assert result.completed == ("start", "work")
    assert "Use ours__add and ours__" in asked[0]
    (chosen,) = events(result, "AgentChosen")
    assert "ours__variable" in str(chosen.data["tools"])


def test_a_server_that_fails_stops_the_run_before_the_first_request(tmp_path: Path) -> None:
    text = "[agent.mcp.ours]\ncommand = 'no-such-program'\n"
    (project_in(tmp_path) / "attractor.toml").write_text(text)
    result, asked = go(tmp_path)
    assert asked == []
    assert "the MCP server 'ours' did not start" in str(result)
    assert "no-such-program: not found" in str(result)
