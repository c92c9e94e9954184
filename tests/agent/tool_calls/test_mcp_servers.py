"""Tools of real MCP servers: over pipes in an environment, and over HTTP on the loopback."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from attractor.agent.errors import McpServerFailed, ToolError
from attractor.agent.tool_calls import mcp_servers
from attractor.agent.tool_calls.mcp_servers import mcp_tools
from attractor.agent.tool_calls.tool import RegisteredTool, ToolOutput
from attractor.base.dataclasses import changed
from attractor.base.json import Json
from attractor.config.settings import McpServerSettings
from attractor.config.tables import read_section
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.llm.messages import ImageData
from tests.agent.mcp_example import PASSWORD
from tests.agent.places import finish, local
from tests.environments.places import make_walls
from tests.examples import ROOT
from tests.needs import needs_sandbox

EXAMPLE = (sys.executable, "-m", "tests.agent.mcp_example")


STDIO = read_section(
    McpServerSettings,
    {
        "command": EXAMPLE[0],
        "args": [*EXAMPLE[1:], "stdio"],
        "env": {"PYTHONPATH": str(ROOT), "GREETING": "hello"},
    },
)
# A minimal server, for an environment without the package `mcp`.
PLAIN = """
import json, os, sys
tools = [{"name": "where", "inputSchema": {"type": "object"}}]
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    result = {
        "initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                       "serverInfo": {"name": "plain", "version": "1"}},
        "tools/list": {"tools": tools},
        "tools/call": {"content": [{"type": "text", "text": os.getcwd()}]},
    }[asked["method"]]
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""

Tools = Mapping[str, RegisteredTool]


def connect(
    servers: Mapping[str, McpServerSettings],
    environment: ExecutionEnvironment,
    work: Callable[[Tools], Awaitable[None]],
) -> None:
    async def run() -> None:
        await environment.initialize()
        try:
            async with mcp_tools(servers, environment) as tools:
                await work({tool.name: tool for tool in tools})
        finally:
            await environment.cleanup()

    finish(run(), within_s=60)


@contextmanager
def over_http() -> Generator[McpServerSettings]:
    with subprocess.Popen([*EXAMPLE, "http"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            url = f"http://127.0.0.1:{int(child.stdout.readline())}/mcp"
            yield read_section(McpServerSettings, {"url": url, "headers": {"X-Password": PASSWORD}})
        finally:
            child.kill()


@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_tools_of_a_server(tmp_path: Path, kind: str) -> None:
    environment = local(tmp_path)

    async def work(tools: Tools) -> None:
        async def call(name: str, **arguments: Json) -> ToolOutput:
            return await tools[name].run(arguments, environment)

        assert set(tools) >= {"ex__add", "ex__fail", "ex__with_dots"}
        assert tools["ex__add"].definition.description == "Add two numbers."
        assert (tools["ex__add"].changes_files, tools["ex__fail"].changes_files) == (False, True)
        assert await call("ex__add", a=1, b=2) == ToolOutput("3")
        image = ImageData(None, b"\x89PNG", "image/png")
        assert await call("ex__with_dots") == ToolOutput("A picture:", image)
        both = await asyncio.gather(*(call("ex__add", a=n, b=n) for n in range(5)))
        assert [one.text for one in both] == ["0", "2", "4", "6", "8"]
        with pytest.raises(ToolError, match="fail"):
            await call("ex__fail", why="because")
        assert await call("ex__length", text="ü" * 300_000) == ToolOutput("300000")

    if kind == "stdio":
        connect({"ex": STDIO}, environment, work)
    else:
        with over_http() as settings:
            connect({"ex": settings}, environment, work)
            without_header = changed(settings, headers={})
            with pytest.raises(McpServerFailed):
                connect({"ex": without_header}, environment, work)


@needs_sandbox
def test_a_command_runs_inside_the_sandbox(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(PLAIN)
    settings = McpServerSettings(command="python3", args=("server.py",))
    environment = SandboxedExecutionEnvironment(tmp_path, make_walls())

    async def work(tools: Tools) -> None:
        assert await tools["plain__where"].execute({}, environment) == "/workspace"

    connect({"plain": settings}, environment, work)


def test_command_has_its_variables_and_a_failed_server_fails_its_tools_only(
    tmp_path: Path,
) -> None:
    environment = local(tmp_path)

    async def work(tools: Tools) -> None:
        for _ in range(2):
            with pytest.raises(Exception, match="Connection closed"):
                await tools["a__end"].execute({}, environment)
        shown = await tools["b__variable"].execute({"name": "GREETING"}, environment)
        assert shown == f"hello in {tmp_path}"
        # This message cannot be sent.
        with pytest.raises(Exception, match="Connection closed"):
            await tools["b__length"].execute({"text": "a lone \ud800"}, environment)

    connect({"a": STDIO, "b": STDIO}, environment, work)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"command": "no-such-program"}, "no-such-program: not found"),
        ({"command": "sh", "args": ["-c", "echo broken >&2; exit 3"]}, "broken"),
        ({"command": "cat"}, "did not start"),
        ({"command": "sleep", "args": ["1000"]}, "within 1 s"),
        ({"command": "head", "args": ["-c", "40M", "/dev/zero"]}, "did not start: Connection"),
        ({"url": "http://127.0.0.1:9/mcp"}, "did not start"),
    ],
)
def test_a_server_that_does_not_start_is_an_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
    message: str,
) -> None:
    if "within" in message:
        monkeypatch.setattr(mcp_servers, "START_LIMIT_S", 1.0)

    async def work(tools: Tools) -> None:
        pytest.fail("the server has no tools")

    with pytest.raises(McpServerFailed, match=message) as failed:
        connect({"ex": read_section(McpServerSettings, settings)}, local(tmp_path), work)
    assert "MCP server 'ex'" in failed.value.message
    assert failed.value.hint


def test_an_environment_without_commands_is_an_error() -> None:
    async def work(tools: Tools) -> None:
        pytest.fail("nothing can be started")

    with pytest.raises(McpServerFailed, match="the memory environment runs no services"):
        connect({"ex": STDIO}, MemoryExecutionEnvironment(), work)
