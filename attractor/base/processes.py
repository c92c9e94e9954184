"""Runs a program in a process group of its own, with a time limit, and leaves nobody of it behind.

The group gets SIGTERM, and SIGKILL after a grace: when the time is up, when the program has ended
and left others running, when the awaiting task is cancelled, when the reader of its output raises.
Who left the group (`setsid`) is not pursued, but holding our pipes open does not make us wait.
"""

import asyncio
import codecs
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import IO, Literal

from attractor.base.bounded_output import BoundedOutput, OutputLimit
from attractor.base.errors import MachineryError
from attractor.base.process_groups import has_members, signal_group
from attractor.base.process_start import start_process

Stream = Literal["stdout", "stderr"]

DEFAULT_LIMIT = OutputLimit()

_PIECE = 64 * 1024
_POLL_S = 0.01
# Time for what was left running to end by itself: `program > >(tee log)` is about to print still.
_SETTLE_S = 0.2
# Time to read what is in a pipe that somebody outside the group fills faster than we read.
_DRAIN_S = 0.5
# Time for the kernel to carry a SIGKILL out: it can take long on a dead network file system.
_KILL_S = 5.0


@dataclass(frozen=True)
class Chunk:
    """A piece of output, as it came."""

    stream: Stream
    text: str


OnOutput = Callable[[Chunk], None]


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
    stdin: bytes = b"",
    on_output: OnOutput | None = None,
    keep: OutputLimit = DEFAULT_LIMIT,
    grace: timedelta = timedelta(seconds=2),
) -> ExecResult:
    """Run a program to its end or its time limit, and end whatever it left in its group."""
    started = monotonic()
    child = _Child(start_process(argv, Path(cwd), env, piped=bool(stdin)), stdin, on_output, keep)
    try:
        try:
            timed_out = await child.run(timeout)
        finally:
            await child.end_group(grace.total_seconds())
        await child.drain()
    finally:
        child.close()
    return child.result(timed_out=timed_out, seconds=monotonic() - started)


class _Reader:
    """Reads one stream of output and keeps its two ends."""

    def __init__(self, name: Stream, pipe: IO[bytes] | None, keep: OutputLimit) -> None:
        assert pipe is not None
        self.name: Stream = name
        self.pipe = pipe
        self.kept = BoundedOutput(keep)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> bytes | None:
        """Return what is there: nothing at the end, None when nothing has come yet."""
        try:
            piece = os.read(self.pipe.fileno(), _PIECE)
        except BlockingIOError:
            return None
        self.kept.add(piece)
        return piece

    def text(self, piece: bytes) -> str:
        """Return the characters that a piece completes; the end completes them all."""
        return self._decoder.decode(piece, final=not piece)


class _Child:
    """A started program: its pipes and its end on the event loop, and its group."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        stdin: bytes,
        on_output: OnOutput | None,
        keep: OutputLimit,
    ) -> None:
        self._popen = popen
        self._stdin = memoryview(stdin)
        self._on_output = on_output
        self._stdout = _Reader("stdout", popen.stdout, keep)
        self._stderr = _Reader("stderr", popen.stderr, keep)
        self._open = [self._stdout, self._stderr]
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._stop_watching: Callable[[], None] = lambda: None

    async def run(self, timeout: timedelta | None) -> bool:
        """Read until the program has ended; say whether its time was up before."""
        self._watch()
        limit = asyncio.timeout(None if timeout is None else timeout.total_seconds())
        try:
            async with limit:
                while self._popen.poll() is None:
                    await self._woken.wait()
                    self._woken.clear()
                    self._read()
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

    async def drain(self) -> None:
        """Read what is in the pipes, and wait for nobody who holds them open."""
        until = monotonic() + _DRAIN_S
        while self._read() and monotonic() < until:
            await asyncio.sleep(0)
        for reader in self._open:
            self._deliver(reader, b"")

    def close(self) -> None:
        """Give everything back to the loop and to the system."""
        self._stop_watching()
        self._close_stdin()
        while self._open:
            self._close(self._open[0])

    def result(self, *, timed_out: bool, seconds: float) -> ExecResult:
        """Return how the program ended."""
        if not self._is_gone():
            raise MachineryError(
                f"process group {self._popen.pid} goes on after SIGKILL",
                hint="it may run as another user, or hang in the kernel; look at it with ps",
            )
        stdout, stderr = self._stdout.kept.kept(), self._stderr.kept.kept()
        return ExecResult(
            stdout=stdout.text,
            stderr=stderr.text,
            exit_code=self._popen.returncode,
            timed_out=timed_out,
            duration_ms=round(seconds * 1000),
            stdout_omitted=stdout.omitted,
            stderr_omitted=stderr.omitted,
        )

    def _watch(self) -> None:
        for reader in self._open:
            self._loop.add_reader(reader.pipe.fileno(), self._woken.set)
        if self._popen.stdin is not None:
            os.set_blocking(self._popen.stdin.fileno(), False)
            self._loop.add_writer(self._popen.stdin.fileno(), self._feed)
        try:
            self._watch_exit(os.pidfd_open(self._popen.pid))
        except (AttributeError, OSError):  # not Linux, or a sandbox forbids it
            self._tick()

    def _watch_exit(self, pidfd: int) -> None:
        def stop() -> None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            self._stop_watching = lambda: None

        def ended() -> None:
            stop()
            self._woken.set()

        self._stop_watching = stop
        self._loop.add_reader(pidfd, ended)

    def _tick(self) -> None:
        self._woken.set()
        self._stop_watching = self._loop.call_later(_POLL_S, self._tick).cancel

    def _feed(self) -> None:
        assert self._popen.stdin is not None
        try:
            written = os.write(self._popen.stdin.fileno(), self._stdin[:_PIECE])
        except BlockingIOError:
            return
        except OSError:  # the program does not read it, which is its right
            written = len(self._stdin)
        self._stdin = self._stdin[written:]
        if not self._stdin:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._popen.stdin is not None and not self._popen.stdin.closed:
            self._loop.remove_writer(self._popen.stdin.fileno())
            self._popen.stdin.close()

    def _read(self) -> bool:
        """Take one piece from each pipe; say whether there was any."""
        pieces = [(reader, reader.read()) for reader in self._open]
        for reader, piece in pieces:
            if piece == b"":
                self._close(reader)
            if piece is not None:
                self._deliver(reader, piece)
        return any(piece for _, piece in pieces)

    def _deliver(self, reader: _Reader, piece: bytes) -> None:
        text = reader.text(piece)
        if text and self._on_output is not None:
            # Should it raise, it is not called again while the group is ended.
            on_output, self._on_output = self._on_output, None
            on_output(Chunk(reader.name, text))
            self._on_output = on_output

    def _close(self, reader: _Reader) -> None:
        self._open.remove(reader)
        self._loop.remove_reader(reader.pipe.fileno())
        reader.pipe.close()

    def _is_gone(self) -> bool:
        return self._popen.poll() is not None and not has_members(self._popen.pid)

    async def _gone_within(self, seconds: float) -> None:
        until = monotonic() + seconds
        while not self._is_gone() and monotonic() < until:
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._woken.wait()
            self._woken.clear()
            self._read()

    async def _kill_group(self) -> None:
        """Kill who is left and see them go; who cancels us meanwhile is answered afterwards."""
        cancelled = False
        until = monotonic() + _KILL_S
        # Once in any case: who forks while we look through /proc can be overlooked.
        signal_group(self._popen.pid, signal.SIGKILL)
        while not self._is_gone() and monotonic() < until:
            try:
                await asyncio.sleep(_POLL_S)
            except asyncio.CancelledError:
                cancelled = True
            signal_group(self._popen.pid, signal.SIGKILL)
        if cancelled:
            raise asyncio.CancelledError
