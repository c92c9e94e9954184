from datetime import timedelta
from pathlib import Path

import pytest

from attractor.agent.definitions import Agents, read_agent
from attractor.agent.errors import InvalidAgent, PromptInvalid
from attractor.agent.events import SessionConfig
from attractor.agent.provider_profile import create_profile, profile_parts
from attractor.agent.tool_calls.tool import Permissions
from attractor.base.errors import FileError, UnknownName
from attractor.config.settings import McpServerSettings
from tests.tables import table

CREW = ("compiler", "historian", "safety", "surface", "toolsmith")
SHIPPED = (
    "coder",
    "guide",
    "judge",
    "planner",
    "requirements",
    "researcher",
    "reviewer",
    "tester",
    *CREW,
)
WHOLE = """
description = "Looks for holes."
model = "claude-opus-4-6"
profile = "anthropic"
permissions = "read-only"
tools = ["read_file", "grep"]

[limits]
turns = 20
rounds = 10
cost_usd = 1.5
time = "20m"
"""


def write_agent(
    folder: Path, text: str, *, prompt: str = "Be careful.", name: str = "mine"
) -> Path:
    """Write an agent into the folder `agents`, and return the agent's folder."""
    own = folder / name
    own.mkdir(parents=True)
    (own / "agent.toml").write_text(text)
    (own / "prompt.md.j2").write_text(prompt)
    return own


def test_agent_is_read_from_its_folder(tmp_path: Path) -> None:
    agent = read_agent(write_agent(tmp_path, WHOLE, prompt="You are {{ model }}."))
    settings, limits = agent.settings, agent.settings.limits
    assert (agent.name, settings.profile, settings.permissions) == (
        "mine",
        "anthropic",
        Permissions.READ_ONLY,
    )
    assert settings.tools == ("read_file", "grep")
    assert (limits.cost_usd, limits.time) == (1.5, timedelta(minutes=20))
    limited = agent.limit(SessionConfig(max_turns=99))
    assert (limited.max_turns, limited.max_tool_rounds_per_input) == (20, 10)
    assert agent.prompt.render(model="m") == "You are m."


def test_empty_file_is_an_agent_with_the_tools_of_its_profile(tmp_path: Path) -> None:
    agent = read_agent(write_agent(tmp_path, ""))
    assert (agent.settings.tools, agent.settings.permissions) == (None, Permissions.WORKSPACE)
    assert agent.limit(SessionConfig(max_turns=9)) == SessionConfig(max_turns=9)


@table(
    ("text", "servers"),
    [
        ("", ["shared"]),
        ("[mcp.own]\ncommand = 'x'", ["shared", "own"]),
        ("tools = []", []),
        ("tools = []\n[mcp.own]\ncommand = 'x'", ["own"]),
        ("permissions = 'read-only'", []),
    ],
)
def test_mcp_servers_of_an_agent(tmp_path: Path, text: str, servers: list[str]) -> None:
    shared = {"shared": McpServerSettings(command="x")}
    assert list(read_agent(write_agent(tmp_path, text)).mcp_servers(shared)) == servers


@table(
    ("text", "line", "message", "hint"),
    [
        ('\nmodle = "x"', 2, "unknown key modle", "did you mean model?"),
        ("[limits]\ncost = 1", 2, "unknown key limits.cost", "turns, rounds, cost_usd, time"),
        ("[limits]\ncost_usd = nan", 2, "limits.cost_usd", "finite number"),
        ("[limits]\nturns = 0", 2, "limits.turns", "greater than or equal to 1"),
        ("[limits]\ntime = 20", 2, "limits.time", 'write a duration as text, such as "30m"'),
        ('permissions = "readonly"', 1, "permissions", "did you mean read-only?"),
        ('profile = "antropic"', 1, "profile", "did you mean anthropic?"),
        ('tools = ["read_fil"]', 1, "tools", "did you mean read_file?"),
        (
            'permissions = "read-only"\ntools = ["shell"]',
            2,
            "tools",
            'shell needs permissions = "workspace"',
        ),
        ("[mcp.x]\ncommnd = 'x'", 2, "unknown key mcp.x.commnd", "did you mean command?"),
        ("[mcp.x]", 1, "mcp.x", "either command or url"),
        (
            "permissions = 'read-only'\nmcp.x.command = 'x'",
            2,
            "mcp",
            'MCP servers need permissions = "workspace"',
        ),
        ("model =", 1, "", ""),
    ],
)
def test_mistake_is_reported_with_line_and_fix(
    text: str, line: int, message: str, hint: str, tmp_path: Path
) -> None:
    own = write_agent(tmp_path, text)
    with pytest.raises(InvalidAgent) as raised:
        read_agent(own)
    assert raised.value.message.startswith(f"{own / 'agent.toml'}:{line}:")
    assert message in raised.value.message
    assert hint in f"{raised.value.message} {raised.value.hint}"


def test_invalid_and_missing_prompts_are_reported(tmp_path: Path) -> None:
    with pytest.raises(PromptInvalid, match=r"prompt.md.j2: 'modle' is undefined"):
        read_agent(write_agent(tmp_path, "", prompt="{{ modle }}"))
    own = write_agent(tmp_path, "", name="other")
    (own / "prompt.md.j2").unlink()
    with pytest.raises(FileError, match=r"cannot read .*prompt.md.j2"):
        read_agent(own)
    (own / "agent.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidAgent, match="utf-8"):
        read_agent(own)


@table("name", SHIPPED)
def test_shipped_agents_work_with_every_profile(name: str) -> None:
    agent = Agents()[name]
    assert agent.settings.description.endswith(".")
    for provider in profile_parts():
        profile = create_profile(
            provider,
            model="m",
            tool_names=agent.settings.tools,
            permissions=agent.settings.permissions,
        )
        assert f"Your role: {name}" in agent.prompt.render(**profile.prompt_values)
        assert ("shell" in profile.tool_registry) == (name in ("coder", "requirements", "tester"))
        assert ("web_fetch" in profile.tool_registry) == (name == "researcher")


def test_agent_of_a_project_replaces_a_shipped_one(tmp_path: Path) -> None:
    write_agent(tmp_path, 'description = "Ours."', name="reviewer")
    write_agent(tmp_path, "", name="gardener")
    for name in ("_profiles", ".cache"):
        write_agent(tmp_path, "", name=name)
    (tmp_path / "empty").mkdir()
    agents = Agents([tmp_path])
    assert sorted(agents) == sorted([*SHIPPED, "gardener"])
    assert agents["reviewer"].settings.description == "Ours."
    with pytest.raises(UnknownName) as raised:
        agents["revewer"]
    assert raised.value.hint == "did you mean reviewer?"
    assert agents.get("nobody") is None


def test_agent_is_read_at_its_first_use(tmp_path: Path) -> None:
    write_agent(tmp_path, "unknown = 1")
    agents = Agents([tmp_path])
    assert "mine" in agents
    with pytest.raises(InvalidAgent):
        agents["mine"]
