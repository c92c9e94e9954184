"""Time of an agent's tools: a command in the sandbox, a search, and reading a file."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from attractor.agent.tool_calls.execution import ToolRunner
from attractor.agent.tool_calls.tool import ToolRegistry, tool_parts
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import SandboxUnavailable
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.selection import choose_environment
from attractor.llm.request import ToolCall
from benchmarks.figures import WARM_UP, NotMeasured, Row
from benchmarks.folders import Folders
from benchmarks.workspaces import Times

SHELL, GREP, READ = 3.0, 2.0, 3.0

LINES = 10_000
FILES = 10_000
ROUNDS = 15
WORD = "needle"
BUBBLEWRAP = (
    *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/"),
    *("--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "true"),
)
RIPGREP = ("rg", "--no-config", "--line-number", "--hidden", "--no-ignore", WORD, "files")


def rows() -> Iterator[Row]:
    """Measure in a new folder, and in a sandbox if one is available."""
    with Folders() as folders:
        yield from asyncio.run(_measure(folders.new()))


def make_files(folder: Path) -> None:
    """Write a long file, and many short ones; some of them contain the word."""
    (folder / "long.txt").write_text("".join(f"this is line {n}\n" for n in range(LINES)))
    for number in range(FILES):
        file = folder / f"files/{number % 100}" / f"{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        word = f"{WORD}\n" if number % 200 == 0 else ""
        file.write_text(f"value = {number}\n" * 20 + word)


def number_lines(file: Path) -> str:
    """Read a file and number its lines: the minimal cost of reading it."""
    lines = file.read_text().splitlines()
    return "\n".join(f"{number} | {line}" for number, line in enumerate(lines, 1))


@dataclass(frozen=True)
class _Case:
    """A tool call, the work of minimal cost, and the limit of the ratio."""

    name: str
    call: ToolCall
    floor: Callable[[], object]
    limit: float


def _cases(folder: Path, no_sandbox: str) -> Iterator[_Case | NotMeasured]:
    name = "shell true / bwrap true"
    shell = ToolCall("1", "shell", {"command": "true"})
    in_sandbox = _Case(name, shell, lambda: _run(BUBBLEWRAP, folder), SHELL)
    yield NotMeasured(name, no_sandbox) if no_sandbox else in_sandbox
    name = "grep 10,000 files / ripgrep"
    grep = ToolCall("2", "grep", {"pattern": WORD, "path": "files"})
    with_ripgrep = _Case(name, grep, lambda: _run(RIPGREP, folder), GREP)
    yield with_ripgrep if shutil.which("rg") else NotMeasured(name, "no rg on PATH")
    read = ToolCall("3", "read_file", {"file_path": "long.txt", "limit": LINES})
    file = folder / "long.txt"
    yield _Case("read_file 10,000 lines / numbering", read, lambda: number_lines(file), READ)


async def _measure(folder: Path) -> list[Row]:
    make_files(folder)
    environment, no_sandbox = await _environment(folder)
    await environment.initialize()
    try:
        tools = ToolRunner(tools=ToolRegistry(list(tool_parts().values())), environment=environment)
        return [await _row(case, tools) for case in _cases(folder, no_sandbox)]
    finally:
        await environment.cleanup()


async def _row(case: _Case | NotMeasured, tools: ToolRunner) -> Row:
    if isinstance(case, NotMeasured):
        return case
    times = Times()
    for turn in range(ROUNDS + WARM_UP):
        least, taken = _time(case.floor), await _time_of(case.call, tools)
        if turn >= WARM_UP:
            times.add(least, taken)
    return times.figure(case.name, case.limit)


async def _environment(folder: Path) -> tuple[ExecutionEnvironment, str]:
    """Return an environment, and the reason for a missing sandbox."""
    environ = dict(os.environ)
    try:
        chosen = await choose_environment("bubblewrap", environ=environ, hide=[Path.home()])
    except SandboxUnavailable as error:
        return LocalExecutionEnvironment(folder, environ=environ), error.message
    return chosen.make(folder), ""


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)


def _time(floor: Callable[[], object]) -> float:
    before = time.perf_counter()
    floor()
    return time.perf_counter() - before


async def _time_of(call: ToolCall, tools: ToolRunner) -> float:
    before = time.perf_counter()
    (result,) = await tools.execute([call])
    taken = time.perf_counter() - before
    assert not result.is_error, result.content
    return taken
