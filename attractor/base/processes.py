"""Runs a program in its own process group, with a time limit, and kills the group at the end.

The group gets SIGTERM, and SIGKILL after a grace period: at the time limit, when the program exits
and leaves processes running, when the task is cancelled, and when the output callback raises.
Processes that left the group (`setsid`) are not killed; their open pipes do not block the caller.
"""

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Literal

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, ProcessNotStarted
from attractor.base.files import file_error
from attractor.base.process_output import OnOutput, OutputLimit, Pipes

POLL_S = 0.01
"""The interval of polling where the kernel sends no notification."""


class ExitWatch:
    """Calls `wake` when a program exits; uses a pidfd, otherwise polling."""

    def __init__(self, pid: int, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self.stop: Callable[[], None] = lambda: None
        try:
            self._await_end(os.pidfd_open(pid))
        except (AttributeError, OSError):  # not Linux, or forbidden in a sandbox
            self._tick()

    def _await_end(self, pidfd: int) -> None:
        def stop() -> None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            self.stop = lambda: None

        def ended() -> None:
            stop()
            self._wake()

        self.stop = stop
        self._loop.add_reader(pidfd, ended)

    def _tick(self) -> None:
        self._wake()
        self.stop = self._loop.call_later(POLL_S, self._tick).cancel


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to the processes of a group, as far as permitted."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def has_members(group: int) -> bool:
    """Return whether a group whose leader was reaped has living members."""
    # As process 1, this process inherits orphans, which remain members until they are reaped.
    with suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    # Another process 1 may reap zombies late.
    alive = _alive_members(group)
    return not alive or any(alive)


def _alive_members(group: int) -> list[bool]:
    """Return for each member of a group whether it is alive; empty without /proc."""
    alive: list[bool] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) == group:
                # A zombie with several threads has only lost its first thread.
                alive.append(fields[0] not in (b"Z", b"X") or int(fields[17]) > 1)
    return alive


_HINTS: Mapping[int | None, str] = {
    errno.ENOEXEC: "use a program of this machine; a script needs a #! line",
    errno.E2BIG: "arguments or environment are too large: pass long input by stdin",
}


def start_process(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    *,
    stdin: bytes | Path = b"",
    output: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in its own session, or raise ProcessNotStarted.

    `stdin` is bytes for a pipe or a file to read; `output` is a file for its stdout.
    """
    if not argv:
        raise ProcessNotStarted("empty command", hint="pass a program and its arguments")
    piped = subprocess.PIPE if stdin else subprocess.DEVNULL
    with ExitStack() as files:
        source = files.enter_context(_opened(stdin, "rb")) if isinstance(stdin, Path) else piped
        target = files.enter_context(_opened(output, "wb")) if output else subprocess.PIPE
        try:
            return subprocess.Popen(
                list(argv),
                bufsize=0,
                cwd=cwd,
                env=env,
                stdin=source,
                stdout=target,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _not_started(argv[0], cwd, error) from error


def _opened(file: Path, mode: Literal["rb", "wb"]) -> BinaryIO:
    try:
        return file.open(mode)
    except OSError as cause:
        raise file_error("read" if mode == "rb" else "write", file, cause) from cause


def _not_started(program: str, cwd: Path, error: OSError | ValueError) -> ProcessNotStarted:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, OSError) and error.filename == cwd:  # only the folder is a Path
        return ProcessNotStarted(
            f"cannot start {program} in {cwd}: {reason}",
            hint="create this folder, or change its permissions",
        )
    return ProcessNotStarted(
        f"cannot start {program}: {reason}", hint=_hint(program, cwd / program, error)
    )


def _hint(program: str, path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        if "/" not in program:
            return "it is not on the PATH: install it, or use its full path"
        if path.is_file():
            return "install the interpreter of its first line"
        return f"{path} does not exist"
    if isinstance(error, PermissionError):
        return f"{path} is a folder" if path.is_dir() else f"make it executable: chmod +x {path}"
    number = error.errno if isinstance(error, OSError) else None
    return _HINTS.get(number, "check its name, arguments and environment")


DEFAULT_LIMIT = OutputLimit()

# Time for remaining processes to exit: in `program > >(tee log)`, tee may still print.
_SETTLE_S = 0.2
# Time for a SIGKILL to take effect, which is long on a dead network file system.
_KILL_S = 5.0


@dataclass(frozen=True)
class ExecResult:
    """Exit status and output of a program (coding-agent-loop §4.1)."""

    stdout: str
    stderr: str
    exit_code: int
    timed_out: bool
    duration_ms: int
    stdout_omitted: int = 0
    stderr_omitted: int = 0

    @property
    def output(self) -> str:
        """Return stdout, then stderr."""
        between = "\n" if self.stdout and self.stderr and not self.stdout.endswith("\n") else ""
        return self.stdout + between + self.stderr


async def run_process(
    argv: Sequence[str],
    *,
    cwd: str | Path,
    env: Mapping[str, str] | None,
    timeout: timedelta | None,
    stdin: bytes | Path = b"",
    output: Path | None = None,
    on_output: OnOutput | None = None,
    keep: OutputLimit = DEFAULT_LIMIT,
    grace: timedelta = timedelta(seconds=2),
) -> ExecResult:
    """Run a program until it exits or the time limit is reached, and kill the process group.

    `stdin` is bytes or a file to read; `output` is a file for its stdout.
    """
    started = monotonic()
    popen = start_process(argv, Path(cwd), env, stdin=stdin, output=output)
    fed = stdin if isinstance(stdin, bytes) else b""
    child = _Child(popen, Pipes(popen, fed, on_output, keep))
    try:
        try:
            timed_out = await child.run(timeout)
        finally:
            await child.end_group(grace.total_seconds())
        await child.pipes.drain()
    finally:
        child.close()
    return child.result(timed_out=timed_out, seconds=monotonic() - started)


class _Child:
    """A started program and its process group."""

    def __init__(self, popen: subprocess.Popen[bytes], pipes: Pipes) -> None:
        self.pipes = pipes
        self._popen = popen
        self._wake = asyncio.Event()
        self._end: ExitWatch | None = None

    async def run(self, timeout: timedelta | None) -> bool:
        """Read output until the program exits; return whether the time limit was reached."""
        self.pipes.watch(self._wake.set)
        self._end = ExitWatch(self._popen.pid, self._wake.set)
        limit = asyncio.timeout(None if timeout is None else timeout.total_seconds())
        try:
            async with limit:
                while self._popen.poll() is None:
                    await self._wake.wait()
                    self._wake.clear()
                    self.pipes.read()
        except TimeoutError:
            if not limit.expired():  # raised by the output callback
                raise
        return limit.expired() and self._popen.poll() is None

    async def end_group(self, grace: float) -> None:
        """Terminate remaining processes, then kill them; a cancellation ends the grace period."""
        try:
            if self._popen.poll() is not None:
                await self._wait_until_gone(_SETTLE_S)
            if not self._is_gone():
                signal_group(self._popen.pid, signal.SIGTERM)
                await self._wait_until_gone(grace)
        finally:
            await self._kill_group()

    def close(self) -> None:
        """Close pipes and the exit watch."""
        if self._end is not None:
            self._end.stop()
        self.pipes.close()

    def result(self, *, timed_out: bool, seconds: float) -> ExecResult:
        """Return the result of the program."""
        if not self._is_gone():
            raise MachineryError(
                f"process group {self._popen.pid} is still alive after SIGKILL",
                hint="it may run as another user or hang in the kernel: check with ps",
            )
        stdout, stderr = self.pipes.kept("stdout"), self.pipes.kept("stderr")
        return ExecResult(
            stdout=stdout.text,
            stderr=stderr.text,
            exit_code=self._popen.returncode,
            timed_out=timed_out,
            duration_ms=round(seconds * 1000),
            stdout_omitted=stdout.omitted,
            stderr_omitted=stderr.omitted,
        )

    def _is_gone(self) -> bool:
        return self._popen.poll() is not None and not has_members(self._popen.pid)

    async def _wait_until_gone(self, seconds: float) -> None:
        until = monotonic() + seconds
        while not self._is_gone() and monotonic() < until:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            self.pipes.read()

    async def _kill_group(self) -> None:
        """Kill remaining processes and wait for them; raise a cancellation afterwards."""
        cancelled = False
        until = monotonic() + _KILL_S
        # Repeated at least once, because the scan of /proc can miss a process that forks.
        signal_group(self._popen.pid, signal.SIGKILL)
        while not self._is_gone() and monotonic() < until:
            try:
                await asyncio.sleep(POLL_S)
            except asyncio.CancelledError:
                cancelled = True
            signal_group(self._popen.pid, signal.SIGKILL)
        if cancelled:
            raise asyncio.CancelledError
