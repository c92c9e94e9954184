"""Runs a program in a process group of its own, with a time limit, and leaves nobody of it behind.

The group gets SIGTERM, and SIGKILL after a grace: when the time is up, when the program has ended
and left others running, when the awaiting task is cancelled, when the reader of its output raises.
Who left the group (`setsid`) is not pursued, but holding our pipes open does not make us wait.
"""

import asyncio
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic

from attractor.base.bounded_output import OutputLimit
from attractor.base.errors import MachineryError
from attractor.base.late_dataclass import dataclass
from attractor.base.process_end import POLL_S, EndWatch
from attractor.base.process_groups import has_members, signal_group
from attractor.base.process_pipes import OnOutput, Pipes
from attractor.base.process_start import start_process

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
