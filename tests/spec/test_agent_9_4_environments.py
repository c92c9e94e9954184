"""Coding-agent-loop 9.4: requirements on environments."""

import inspect
from pathlib import Path

import pytest

from attractor.environments.environment import ExecutionEnvironment, GrepOptions
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from tests.tables import table

pytestmark = pytest.mark.anyio

OPERATIONS = [
    *("read_file", "write_file", "file_exists", "list_directory", "exec_command", "grep", "glob"),
    *("initialize", "cleanup", "working_directory", "platform", "os_version"),
]


async def test_9_4_local_environment_does_all_file_and_command_operations(tmp_path: Path) -> None:
    env = LocalExecutionEnvironment(tmp_path, environ={"PATH": "/usr/bin:/bin"})
    await env.initialize()
    await env.write_file("src/a.txt", "one\ntwo\n")
    assert await env.read_file("src/a.txt", offset=2, limit=1) == "two\n"
    assert await env.file_exists("src")
    assert [entry.name for entry in await env.list_directory(".", depth=2)] == [
        "src",
        "src/a.txt",
    ]
    assert await env.grep("tw", ".", GrepOptions()) == "src/a.txt:2:two\n"
    assert list(await env.glob("**/*.txt")) == ["src/a.txt"]
    result = await env.exec_command("wc -l <src/a.txt; echo no >&2", timeout_ms=60_000)
    assert (result.stdout.strip(), result.stderr, result.exit_code) == ("2", "no\n", 0)
    assert result.output.split() == ["2", "no"]
    await env.delete_file("src/a.txt")
    assert not await env.file_exists("src/a.txt")
    await env.cleanup()


async def test_9_4_timed_out_group_is_killed_after_two_seconds(tmp_path: Path) -> None:
    env = LocalExecutionEnvironment(tmp_path, environ={"PATH": "/usr/bin:/bin"})
    command = "trap 'echo asked' TERM; while :; do sleep 0.05; done"
    result = await env.exec_command(command, timeout_ms=200)
    assert result.timed_out
    assert result.stdout.startswith("asked")
    assert result.exit_code == -9
    assert result.duration_ms >= 2200


@table("name", ["OPENAI_API_KEY", "MY_SECRET", "GITHUB_TOKEN", "DB_PASSWORD", "x_credential"])
async def test_9_4_sensitive_variables_are_left_out(tmp_path: Path, name: str) -> None:
    environ = {"PATH": "/usr/bin:/bin", "EDITOR": "vi", name: "never-to-be-seen"}
    env = LocalExecutionEnvironment(tmp_path, environ=environ)
    output = (await env.exec_command("env", timeout_ms=60_000)).stdout
    assert "EDITOR=vi" in output
    assert name not in output


@table(
    "kind",
    [LocalExecutionEnvironment, MemoryExecutionEnvironment, SandboxedExecutionEnvironment],
)
def test_9_4_interface_can_be_implemented_by_anybody(kind: type) -> None:
    # No base class is required: the methods are the interface.
    assert ExecutionEnvironment not in kind.__mro__
    for name in OPERATIONS:
        wanted = inspect.signature(getattr(ExecutionEnvironment, name))
        assert inspect.signature(getattr(kind, name)) == wanted, name
