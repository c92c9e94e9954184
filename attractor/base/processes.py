"""Runs a program in its own process group, with a time limit, and kills the group at the end.

The pipes write the input of the program, and keep head and tail of the output.

The group gets SIGTERM, and SIGKILL after a grace period: at the time limit, when the program exits
and leaves processes running, when the task is cancelled, and when the output callback raises.
Processes that left the group (`setsid`) are not killed; their open pipes do not block the caller.
"""

import asyncio
import codecs
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import IO, BinaryIO, Literal

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, ProcessNotStarted, UsageError
from attractor.base.files import file_error


@dataclass(frozen=True)
class OutputLimit:
    """The number of bytes to keep from the head and from the tail of an output."""

    head: int = 512 * 1024
    tail: int = 512 * 1024

    def __post_init__(self) -> None:
        if self.head < 0 or self.tail < 0:
            raise UsageError(
                f"invalid output limit of {self.head} and {self.tail} bytes",
                hint="use 0 to keep no bytes of the head or of the tail",
            )


@dataclass(frozen=True)
class TruncatedOutput:
    """An output as text, and the number of omitted bytes."""

    text: str
    omitted: int


class BoundedOutput:
    """Collects head and tail of an output in bounded memory."""

    def __init__(self, limit: OutputLimit) -> None:
        self._limit = limit
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, piece: bytes) -> None:
        """Add the next piece."""
        self._total += len(piece)
        room = self._limit.head - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        del self._tail[: max(0, len(self._tail) - self._limit.tail)]

    def kept(self) -> TruncatedOutput:
        """Return head and tail, with a line about the omitted bytes between."""
        if self._total == len(self._head) + len(self._tail):
            return TruncatedOutput((self._head + self._tail).decode("utf-8", "replace"), 0)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        head = decoder.decode(self._head)
        cut_after_head = len(decoder.getstate()[0])
        # The tail begins at its first complete character.
        rest = 0
        while rest < min(3, len(self._tail)) and self._tail[rest] & 0xC0 == 0x80:
            rest += 1
        tail = self._tail[rest:]
        omitted = self._total - (len(self._head) - cut_after_head) - len(tail)
        marker = f"[... {omitted} bytes omitted ...]\n"
        if head and not head.endswith("\n"):
            marker = "\n" + marker
        return TruncatedOutput(head + marker + tail.decode("utf-8", "replace"), omitted)


Stream = Literal["stdout", "stderr"]

_PIECE = 64 * 1024
# Time limit for reading a pipe that a process outside the group keeps filling.
_DRAIN_S = 0.5


@dataclass(frozen=True)
class OutputChunk:
    """A piece of output as it arrived."""

    stream: Stream
    text: str


OnOutput = Callable[[OutputChunk], None]


class OutputPipe:
    """One output stream of a program; its head and tail are kept."""

    def __init__(self, name: Stream, pipe: IO[bytes], keep: OutputLimit) -> None:
        self.name: Stream = name
        self.pipe = pipe
        self.kept = BoundedOutput(keep)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> bytes | None:
        """Return the available bytes; b"" at the end, None if no bytes are available yet."""
        try:
            piece = os.read(self.pipe.fileno(), _PIECE)
        except BlockingIOError:
            return None
        self.kept.add(piece)
        return piece

    def text(self, piece: bytes) -> str:
        """Return the characters that are complete with this piece."""
        return self._decoder.decode(piece, final=not piece)


class Pipes:
    """The pipes of a started program on the running event loop; some may be missing."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        stdin: bytes,
        on_output: OnOutput | None,
        keep: OutputLimit,
    ) -> None:
        pipes: dict[Stream, IO[bytes] | None] = {"stdout": popen.stdout, "stderr": popen.stderr}
        self._outputs = {
            name: OutputPipe(name, pipe, keep) for name, pipe in pipes.items() if pipe is not None
        }
        self._open = list(self._outputs.values())
        self._stdin = popen.stdin
        self._input = memoryview(stdin)
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()

    def kept(self, stream: Stream) -> TruncatedOutput:
        """Return head and tail of one output stream."""
        output = self._outputs.get(stream)
        return output.kept.kept() if output else TruncatedOutput("", 0)

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` when output arrives, and feed the input."""
        for output in self._open:
            self._loop.add_reader(output.pipe.fileno(), wake)
        if self._stdin is not None:
            os.set_blocking(self._stdin.fileno(), False)
            self._loop.add_writer(self._stdin.fileno(), self._feed)

    def read(self) -> bool:
        """Read one piece from each pipe; return whether any arrived."""
        pieces = [(output, output.read()) for output in self._open]
        for output, piece in pieces:
            if piece == b"":
                self._close(output)
            if piece is not None:
                self._deliver(output, piece)
        return any(piece for _, piece in pieces)

    async def drain(self) -> None:
        """Read the buffered output without waiting for processes that hold the pipes open."""
        until = monotonic() + _DRAIN_S
        while self.read() and monotonic() < until:
            await asyncio.sleep(0)
        for output in self._open:
            self._deliver(output, b"")

    def close(self) -> None:
        """Close all pipes."""
        self._close_stdin()
        while self._open:
            self._close(self._open[0])

    def _feed(self) -> None:
        assert self._stdin is not None
        try:
            written = os.write(self._stdin.fileno(), self._input[:_PIECE])
        except BlockingIOError:
            return
        except OSError:  # the program does not read its input
            written = len(self._input)
        self._input = self._input[written:]
        if not self._input:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._stdin is not None and not self._stdin.closed:
            self._loop.remove_writer(self._stdin.fileno())
            self._stdin.close()

    def _deliver(self, output: OutputPipe, piece: bytes) -> None:
        text = output.text(piece)
        if text and self._on_output is not None:
            # If the callback raises, it is not called again while the group is killed.
            on_output, self._on_output = self._on_output, None
            on_output(OutputChunk(output.name, text))
            self._on_output = on_output

    def _close(self, output: OutputPipe) -> None:
        self._open.remove(output)
        self._loop.remove_reader(output.pipe.fileno())
        output.pipe.close()


POLL_S = 0.01
"""The interval of polling where the kernel sends no notification."""


# A program that made this process its tracer stops for ever at a signal: no pidfd reports that.
_STOP_POLL_S = 1.0


class ExitWatch:
    """Calls `wake` when a program may have ended; uses a pidfd, otherwise polling."""

    def __init__(self, pid: int, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._interval, self._pidfd = POLL_S, -1
        with suppress(AttributeError, OSError):  # not Linux, or forbidden in a sandbox
            self._pidfd = os.pidfd_open(pid)
            self._interval = _STOP_POLL_S
            self._loop.add_reader(self._pidfd, self._ended)
        self._tick()

    def stop(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _ended(self) -> None:
        self.stop()
        self._wake()

    def _tick(self) -> None:
        self._wake()
        self._timer = self._loop.call_later(self._interval, self._tick)


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
    if not _exists(group):
        return False
    # Another process 1 may reap zombies late: before this scan, or in it.
    alive = _alive_members(group)
    return any(alive) if alive else _exists(group)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _alive_members(group: int) -> list[bool]:
    """Return for each member of a group whether it is alive; empty without /proc."""
    alive: list[bool] = []
    # A pattern with `stat` looks whether it exists, which fails if the process ends meanwhile.
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) == group:
                # A zombie with several threads has only lost its first thread.
                alive.append(fields[0] not in (b"Z", b"X") or int(fields[17]) > 1)
    return alive


_HINTS: Mapping[int | None, str] = {
    errno.ENOEXEC: "use a program of this machine; a script needs a #! line",
    errno.E2BIG: "arguments or environment are too large: pass long input by stdin",
}


STARTED: set[int] = set()
"""The ids of the children that this process started in sessions of their own.

All other children in other sessions are orphans of commands, which a sub-reaper adopts.
"""


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
            process = subprocess.Popen(
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
    STARTED.add(process.pid)
    return process


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
    if sys.platform == "win32":
        return await _run_on_windows(argv, Path(cwd), env, timeout, stdin)
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


async def _run_on_windows(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    timeout: timedelta | None,
    stdin: bytes | Path,
) -> ExecResult:
    """Run a program to its end, in a thread: pipes are not watched there, and all is kept."""
    # No other system needs it.
    from attractor.base.windows import call

    started, limit = monotonic(), None if timeout is None else timeout.total_seconds()
    fed = stdin if isinstance(stdin, bytes) else stdin.read_bytes()
    code, output, errors, timed_out = -1, b"", b"", False
    try:
        code, output, errors = await asyncio.to_thread(call, argv, cwd, env, limit, fed)
    except subprocess.TimeoutExpired:
        timed_out = True
    except OSError as error:
        raise _not_started(argv[0], cwd, error) from error
    out, err = (text.decode("utf-8", "replace") for text in (output, errors))
    return ExecResult(out, err, code, timed_out, int((monotonic() - started) * 1000))


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
            # In a cancelled task, a timeout of asyncio before Python 3.11.3 raises CancelledError.
            timer = asyncio.get_running_loop().call_later(POLL_S, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
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


_MEMORY = Path("/proc/meminfo")
_AVAILABLE = "MemAvailable:"


def works_at_once(kilobytes_each: int) -> int:
    """Return how many processes that compute and use much memory run well at once: 1 or more."""
    cores = os.cpu_count() or 1
    # Not every system has it; only a process with fewer cores than the machine differs.
    with suppress(AttributeError):
        cores = len(os.sched_getaffinity(0))
    with suppress(OSError):
        for line in _MEMORY.read_text("ascii").splitlines():
            if line.startswith(_AVAILABLE):
                return max(1, min(cores, int(line.split()[1]) // kilobytes_each))
    return cores
