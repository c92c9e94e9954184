"""Runs programs for the tests, and checks whether they are still running."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from attractor.base.processes import ExecResult, OutputChunk, OutputLimit, run_process

FAR = timedelta(seconds=60)
SOON = timedelta(milliseconds=300)
NEVER = "1000"  # seconds that no test waits for


def run(
    *argv: str,
    timeout: timedelta | None = FAR,
    stdin: bytes | Path = b"",
    output: Path | None = None,
    on_output: Callable[[OutputChunk], None] | None = None,
    keep: OutputLimit | None = None,
    grace: timedelta = timedelta(seconds=2),
    cwd: str | Path = "/",
) -> ExecResult:
    return asyncio.run(
        run_process(
            argv,
            cwd=cwd,
            env=None,
            timeout=timeout,
            stdin=stdin,
            output=output,
            on_output=on_output,
            keep=keep or OutputLimit(),
            grace=grace,
        )
    )


def sh(script: str, *, timeout: timedelta | None = FAR) -> ExecResult:
    return run("sh", "-c", script, timeout=timeout)


def is_running(pid: int) -> bool:
    """Whether a process is running; a zombie is not."""
    # The process has ended, perhaps between open and read, or there is no /proc (macOS).
    with suppress(FileNotFoundError, ProcessLookupError):
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
        return stat.rpartition(")")[2].split()[0] not in "ZX"
    if Path("/proc/self/stat").exists():
        return False
    asked = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def command_lines() -> dict[int, tuple[str, ...]]:
    """Return the words of each running process, by its id."""
    found: dict[int, tuple[str, ...]] = {}
    for one in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            words = (one / "cmdline").read_text("utf-8", "replace").split("\0")[:-1]
            found[int(one.name)] = tuple(words)
    return found


def is_child(pid: int) -> bool:
    """Whether a process is still our child, perhaps as a zombie."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))
