"""Runs a program in a process group of its own, with a time limit, and leaves nobody of it behind.

The group gets SIGTERM, and SIGKILL after a grace: when the time is up, when the program has ended
and left others running, when the awaiting task is cancelled, when the reader of its output raises.
Who left the group (`setsid`) is not pursued, but holding our pipes open does not make us wait.

Wakes a waiting task when a program ends: with the kernel's help, else by waking it often.

Signals the processes of a group, and tells whether any of them is alive.

Starts a program, and says plainly why one could not be started.
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
"""How often somebody is woken who waits for what the kernel does not tell."""


class EndWatch:
    """Watches one program on the running event loop until it is stopped."""

    def __init__(self, pid: int, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self.stop: Callable[[], None] = lambda: None
        try:
            self._await_end(os.pidfd_open(pid))
        except (AttributeError, OSError):  # not Linux, or a sandbox forbids it
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
    """Send a signal to every member of a group that there is and that we may send one to."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def has_members(group: int) -> bool:
    """Whether a group whose leader was waited for has living members that we could end."""
    # Its orphans come to us when we are process 1; they stay members until they are waited for.
    with suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    # Who else is process 1 may take its time to wait for the dead.
    lives = _lives(group)
    return not lives or any(lives)


def _lives(group: int) -> list[bool]:
    """Return of each member of a group whether it lives; nothing where the system tells nothing."""
    lives: list[bool] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) == group:
                # A zombie with threads only lost its first one.
                lives.append(fields[0] not in (b"Z", b"X") or int(fields[17]) > 1)
    return lives


_HINTS: Mapping[int | None, str] = {
    errno.ENOEXEC: "it is no program of this machine; a script begins with a #! line",
    errno.E2BIG: "arguments and environment are too long: hand long input over as stdin",
}


def start_process(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    *,
    stdin: bytes | Path = b"",
    output: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, or say why it could not be started.

    Bytes are for its pipe; a file it reads itself, and it writes one when `output` names it.
    """
    if not argv:
        raise ProcessNotStarted("no program is named", hint="give its name, then its arguments")
    piped = subprocess.PIPE if stdin else subprocess.DEVNULL
    with ExitStack() as files:
        given = files.enter_context(_opened(stdin, "rb")) if isinstance(stdin, Path) else piped
        taken = files.enter_context(_opened(output, "wb")) if output else subprocess.PIPE
        try:
            return subprocess.Popen(
                list(argv),
                bufsize=0,
                cwd=cwd,
                env=env,
                stdin=given,
                stdout=taken,
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
    why = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, OSError) and error.filename == cwd:  # only the folder is a Path
        return ProcessNotStarted(
            f"{program} was not started in {cwd}: {why}",
            hint="the folder it should run in must exist, and we must be allowed to enter it",
        )
    return ProcessNotStarted(
        f"{program} was not started: {why}", hint=_hint(program, cwd / program, error)
    )


def _hint(program: str, path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        if "/" not in program:
            return "no folder of the PATH has it: install it, or give its whole path"
        if path.is_file():
            return "the interpreter that its first line names is missing"
        return f"there is no file {path}"
    if isinstance(error, PermissionError):
        return "it is a folder" if path.is_dir() else f"make it executable: chmod +x {path}"
    number = error.errno if isinstance(error, OSError) else None
    return _HINTS.get(number, "look at its name, its arguments and its environment")


DEFAULT_LIMIT = OutputLimit()

# Time for what was left running to end by itself: `program > >(tee log)` is about to print still.
_SETTLE_S = 0.2
# Time for the kernel to carry a SIGKILL out: it can take long on a dead network file system.
_KILL_S = 5.0


@dataclass(frozen=True)
class ExecResult:
    """How a program ended and what it printed (coding-agent-loop §4.1)."""

    stdout: str
    stderr: str
    exit_code: int
    timed_out: bool
    duration_ms: int
    stdout_omitted: int = 0
    stderr_omitted: int = 0

    @property
    def output(self) -> str:
        """Return standard output, then standard error."""
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
    """Run a program to its end or its time limit, and end whatever it left in its group.

    It reads bytes or a file; what it prints goes into a file, byte for byte, if `output` names one.
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
    """A started program and its group, read until the last of them is gone."""

    def __init__(self, popen: subprocess.Popen[bytes], pipes: Pipes) -> None:
        self.pipes = pipes
        self._popen = popen
        self._woken = asyncio.Event()
        self._end: EndWatch | None = None

    async def run(self, timeout: timedelta | None) -> bool:
        """Read until the program has ended; say whether its time was up before."""
        self.pipes.watch(self._woken.set)
        self._end = EndWatch(self._popen.pid, self._woken.set)
        limit = asyncio.timeout(None if timeout is None else timeout.total_seconds())
        try:
            async with limit:
                while self._popen.poll() is None:
                    await self._woken.wait()
                    self._woken.clear()
                    self.pipes.read()
        except TimeoutError:
            if not limit.expired():  # it is the reader's own
                raise
        return limit.expired() and self._popen.poll() is None

    async def end_group(self, grace: float) -> None:
        """Ask who is left to end, and kill who does not; a cancellation cuts the grace short."""
        try:
            if self._popen.poll() is not None:
                await self._gone_within(_SETTLE_S)
            if not self._is_gone():
                signal_group(self._popen.pid, signal.SIGTERM)
                await self._gone_within(grace)
        finally:
            await self._kill_group()

    def close(self) -> None:
        """Give everything back to the loop and to the system."""
        if self._end is not None:
            self._end.stop()
        self.pipes.close()

    def result(self, *, timed_out: bool, seconds: float) -> ExecResult:
        """Return how the program ended."""
        if not self._is_gone():
            raise MachineryError(
                f"process group {self._popen.pid} goes on after SIGKILL",
                hint="it may run as another user, or hang in the kernel; look at it with ps",
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

    async def _gone_within(self, seconds: float) -> None:
        until = monotonic() + seconds
        while not self._is_gone() and monotonic() < until:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()
            self._woken.clear()
            self.pipes.read()

    async def _kill_group(self) -> None:
        """Kill who is left and see them go; who cancels us meanwhile is answered afterwards."""
        cancelled = False
        until = monotonic() + _KILL_S
        # Once in any case: who forks while we look through /proc can be overlooked.
        signal_group(self._popen.pid, signal.SIGKILL)
        while not self._is_gone() and monotonic() < until:
            try:
                await asyncio.sleep(POLL_S)
            except asyncio.CancelledError:
                cancelled = True
            signal_group(self._popen.pid, signal.SIGKILL)
        if cancelled:
            raise asyncio.CancelledError
