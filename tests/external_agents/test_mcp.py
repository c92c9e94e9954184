"""The real coding agents find the skill, and call a tool of `attractor mcp` for their models."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.projects.skill import SKILL_FOLDERS, write_skill
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.external_agents.test_external_agents import LIMIT, codex_options

pytestmark = pytest.mark.agents
TASK = "Check the pipeline a.dot."
PROGRAM = str(Path(sys.executable).parent / "attractor")
SCRIPT = """
[[rules]]
name = "find the tool"
when = {{ first_user = "{task}", step = 0, wire = "openai" }}
answer.tool_calls = [{{ name = "tool_search", arguments = {{ query = "check pipeline" }} }}]

[[rules]]
when = {{ first_user = "{task}", step = {step} }}
answer = {{ thinking = "Check it.", text = "I check it.", tool_calls = [{call}] }}

[[rules]]
when = {{ first_user = "{task}" }}
answer.text = "It has an error."

[[rules]]
answer.text = "Pipelines"
"""


@dataclass(frozen=True)
class Configured:
    """A program with `attractor mcp`, and the call of its tool by its model.

    codex offers the tools of servers only after a search for tools, which is `step` 0.
    """

    program: str
    command: Callable[[ProviderTwin], Sequence[str]]
    call: str
    environ: Callable[[Path], Mapping[str, str]]
    step: int = 0


def codex(twin: ProviderTwin) -> Sequence[str]:
    server = ("-c", f'mcp_servers.attractor={{command="{PROGRAM}",args=["mcp"],required=true}}')
    return [*codex_options(twin), *server, TASK]


def claude(twin: ProviderTwin) -> Sequence[str]:
    servers = {"mcpServers": {"attractor": {"command": PROGRAM, "args": ["mcp"]}}}
    return [
        *("claude", "-p", "--output-format", "stream-json", "--verbose"),
        *("--mcp-config", json.dumps(servers), "--allowedTools", "mcp__attractor__validate"),
        *("--model", "claude-sonnet-4-5", "--", TASK),
    ]


CALL = '{{ name = "{}", arguments = {{ file = "a.dot" }} }}'
AGENTS = [
    Configured(
        "codex",
        codex,
        CALL.format("validate"),
        lambda home: {"CODEX_HOME": str(home)},
        step=1,
    ),
    Configured(
        "claude",
        claude,
        CALL.format("mcp__attractor__validate"),
        lambda home: {
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
            "MCP_CONNECTION_NONBLOCKING": "false",
        },
    ),
]


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.program)
def test_agent_knows_the_skill_and_checks_a_pipeline_with_the_tool(
    agent: Configured, tmp_path: Path
) -> None:
    if shutil.which(agent.program) is None:
        pytest.fail(f"{agent.program} is not on the PATH; run scripts/external-agents")
    folder, home = tmp_path / "project", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    (folder / "attractor.toml").touch()
    (folder / "a.dot").write_text("digraph { start [shape=Mdiamond]; start -> lost }")
    for one in SKILL_FOLDERS:
        write_skill(folder / one)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY"), "any-key")
    script = parse_script(SCRIPT.format(task=TASK, call=agent.call, step=agent.step))
    with in_background(ProviderTwin(script)) as twin:
        ended = subprocess.run(
            agent.command(twin),
            cwd=folder,
            env={
                **{"PATH": os.environ["PATH"], "HOME": str(home)},
                **{**keys, **twin.environ(), **agent.environ(home)},
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        bodies = {one.step: json.dumps(one.body) for one in twin.requests if TASK in str(one.body)}
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "Draft, validate, simulate, test" in bodies[0]
    # The result of the tool went to the model.
    assert "terminal_node" in bodies[agent.step + 1], ended.stdout[-3000:]
