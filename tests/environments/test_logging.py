"""Lines about operations on an environment."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from attractor.environments.environment import ExecutionEnvironment, GrepOptions
from attractor.environments.errors import FileMissing
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.logging import LoggingExecutionEnvironment
from tests.environments.places import FAR_MS, OPERATOR, use


def log_of(
    workspace: Path, work: Callable[[ExecutionEnvironment], Coroutine[Any, Any, None]]
) -> list[str]:
    """Return the log lines of some work, without their times."""
    lines: list[str] = []
    inner = LocalExecutionEnvironment(workspace, environ=OPERATOR)
    use(LoggingExecutionEnvironment(inner, lines.append), work)
    return [re.sub(r"\d+ ms", "N ms", line) for line in lines]


def test_operations_are_logged_with_their_ends(workspace: Path) -> None:
    async def work(env: ExecutionEnvironment) -> None:
        await env.write_file("a", "secret")
        await env.read_file("a")
        await env.list_directory(".")
        await env.glob("*")
        await env.grep("s", ".", GrepOptions())
        await env.exec_command("exit 3", timeout_ms=FAR_MS, env_vars={"NAME": "secret"})
        await (await env.start_service("true")).stop()
        await env.delete_file("a")
        with pytest.raises(FileMissing):
            await env.read_file("a")

    operations = [
        *("write a", "read a", "list .", "glob * in .", "grep s in .", "exec exit 3"),
        *("start true", "delete a", "read a"),
    ]
    endings = ["done"] * len(operations)
    endings[5] = "exit status 3"
    endings[-1] = "failed, cannot read a: No such file or directory"
    lines = log_of(workspace, work)
    assert lines[::2] == operations
    assert lines[1::2] == [
        f"{one}: {ending} (N ms)" for one, ending in zip(operations, endings, strict=True)
    ]


def test_time_limit_and_cancellation_are_logged(workspace: Path) -> None:
    async def work(env: ExecutionEnvironment) -> None:
        await env.exec_command("sleep 1000", timeout_ms=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await env.exec_command("sleep 2000", timeout_ms=FAR_MS)

    assert log_of(workspace, work) == [
        "exec sleep 1000",
        "exec sleep 1000: time limit, exit status -15 (N ms)",
        "exec sleep 2000",
        "exec sleep 2000: interrupted (N ms)",
    ]
