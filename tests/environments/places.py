"""Makes environments for tests, and runs commands in them."""

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from attractor.base.processes import ExecResult, OutputLimit
from attractor.environments.environment import ExecutionEnvironment, sandboxed
from attractor.environments.errors import SandboxUnavailable
from attractor.environments.sandbox.bubblewrap import HOME, SandboxSettings
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.selection import find_interpreter
from tests.needs import require

T = TypeVar("T")

FAR_MS = 60_000
KEEP = OutputLimit(head=1000, tail=1000)
OPERATOR = {
    "PATH": os.environ.get("PATH", ""),
    "LANG": "C.UTF-8",
    "OPENAI_API_KEY": "sk-never-to-be-seen",
    "github_token": "never-to-be-seen",
    "DB_PASSWORD": "never-to-be-seen",
    "EDITOR": "vi",
}


def use(
    environment: ExecutionEnvironment,
    work: Callable[[ExecutionEnvironment], Coroutine[Any, Any, T]],
) -> T:
    """Initialize an environment, do some work in it, and clean it up."""

    async def whole() -> T:
        await environment.initialize()
        try:
            return await work(environment)
        finally:
            await environment.cleanup()

    return asyncio.run(whole())


def run(environment: ExecutionEnvironment, *commands: str) -> list[ExecResult]:
    """Run commands one after the other."""

    async def work(env: ExecutionEnvironment) -> list[ExecResult]:
        return [await env.exec_command(one, timeout_ms=FAR_MS) for one in commands]

    return use(environment, work)


def make_walls(
    kind: str = "bubblewrap",
    *,
    environ: Mapping[str, str] = OPERATOR,
    read: Sequence[Path] = (),
    hide: Sequence[Path] = (),
    passed: Sequence[str] = (),
) -> SandboxSettings:
    """Return settings for the installed bubblewrap, or for Landlock."""
    return SandboxSettings(
        (shutil.which("bwrap") or "bwrap") if kind == "bubblewrap" else None,
        find_interpreter(),
        sandboxed(environ, read=[str(path) for path in read], passed=passed, home=HOME),
        read=tuple(read),
        hide=tuple(hide),
    )


def why_no_sandbox(folder: Path) -> str:
    """Return the reason why bubblewrap makes no sandbox, or an empty string."""

    async def work(env: ExecutionEnvironment) -> None:
        return None

    try:
        use(SandboxedExecutionEnvironment(folder, make_walls()), work)
    except SandboxUnavailable as error:
        return error.message
    return ""


@contextmanager
def skipping_without_sandbox() -> Generator[None]:
    """Skip the test if no sandbox is available."""
    try:
        yield
    except SandboxUnavailable as error:
        if "bwrap" in error.message:
            require("bubblewrap")
        pytest.skip(error.message)


def hold(namespace: str) -> int:
    """Keep a namespace open, because the kernel reuses the number of a closed namespace."""
    return os.open(f"/proc/{min(processes_in(namespace))}/ns/pid", os.O_RDONLY)


def processes_in(namespace: str) -> list[int]:
    """Return the processes in a process namespace, such as `pid:[4026532341]`.

    Zombies are not counted, because their new parent may reap them late.
    """
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            if state not in "ZX" and str((process / "ns/pid").readlink()) == namespace:
                found.append(int(process.name))
        except OSError:
            continue
    return found
