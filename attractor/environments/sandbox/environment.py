"""Runs tools in a sandbox with a supervisor, one sandbox for each stage; Linux only.

In bubblewrap, the workspace is `/workspace`, the only path of the operator that is writable or
visible, and mounts from other folders are read-only. With Landlock, the workspace has its own path.
File tools work on the same folder from outside.
"""

import asyncio
import codecs
import platform
import shutil
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from attractor.base.errors import MachineryError, UsageError
from attractor.base.processes import (
    BoundedOutput,
    ExecResult,
    OnOutput,
    OutputChunk,
    OutputLimit,
    Stream,
)
from attractor.environments import files
from attractor.environments.confined_paths import ConfinedFolder, FileIdentity, file_identity
from attractor.environments.environment import (
    CommandWithBacklog,
    OutputBacklog,
    Promises,
    RunningCommand,
)
from attractor.environments.errors import NO_PORTS, PORTS_HINT, NotSupported, SandboxLost
from attractor.environments.files import FileTools
from attractor.environments.sandbox.bubblewrap import (
    WORKSPACE,
    BindMount,
    SandboxSettings,
    make_mount_points,
)
from attractor.environments.sandbox.process import GRACE_S, CommandExit, Job, Sandbox
from attractor.environments.sandbox.sockets import (
    LOOPBACK,
    Address,
    PipeReader,
    connect_socket,
    forwarded,
    listen,
)
from attractor.environments.search import TIME_LIMIT_MS, Searcher


def output_sink(
    name: Stream, kept: BoundedOutput, on_output: OnOutput | None
) -> Callable[[bytes], None]:
    """Return a function that stores output, and passes whole characters to `on_output`."""
    if on_output is None:
        return kept.add
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(piece: bytes) -> None:
        kept.add(piece)
        if text := decoder.decode(piece):
            on_output(OutputChunk(name, text))

    return take


def watch_service(
    sandbox: Sandbox, job: Job, out: PipeReader, backlog: OutputBacklog
) -> CommandWithBacklog:
    """Return the background service for a command that was started."""
    watching = asyncio.create_task(_see_end(job, out, backlog))

    async def end(at_once: bool) -> int:
        if not watching.done():
            with suppress(SandboxLost):
                await sandbox.end(job, 0.0 if at_once else GRACE_S)
        return await asyncio.shield(watching)

    return CommandWithBacklog(backlog, end)


async def _see_end(job: Job, out: PipeReader, backlog: OutputBacklog) -> int:
    try:
        code = (await job.wait()).code
        await out.drain()
    except SandboxLost:  # the sandbox ended
        code = -signal.SIGKILL
    finally:
        out.close()
        backlog.end()
    return code


SHELL = "/bin/bash"


class SandboxedExecutionEnvironment(FileTools):
    """A folder of this machine, where commands run in a sandbox."""

    def __init__(
        self,
        folder: str | Path,
        settings: SandboxSettings,
        *,
        promises: Promises | None = None,
        keep: OutputLimit | None = None,
        mounts: Sequence[BindMount] = (),
    ) -> None:
        self._folder = Path(folder).resolve()
        ripgrep = shutil.which("rg", path=settings.variables.get("PATH", ""))
        searcher = Searcher(settings.python.program, ripgrep)
        self._inside = WORKSPACE if settings.bubblewrap else str(self._folder)
        names = dict.fromkeys((WORKSPACE, self._inside))
        super().__init__(ConfinedFolder(self._folder, tuple(names)), searcher, self._search)
        self._settings = settings
        self._shown = mounts
        self._promises = promises or Promises()
        self._keep = keep or OutputLimit()
        self._running: Sandbox | None = None

    async def initialize(self) -> None:
        """Start the sandbox if it is not running."""
        files.require_folder(self._confined, ".")
        if self._running is None:
            # Agents may have removed or replaced mount points.
            mount_points = make_mount_points(self._folder, self._shown)
            self._running = await Sandbox.start(self._settings, self._folder, [*mount_points])
            guards = self._settings.guards(self._folder)
            self._confined = replace(
                self._confined,
                mounts={identity: mount.source for mount, identity in mount_points.items()},
                hidden=_hidden_in([*mount_points], self._settings.hide)
                | {file_identity(guard.path.stat()) for guard in guards},
            )

    async def cleanup(self) -> None:
        """Kill all processes inside, and wait until they are gone."""
        if self._running is not None:
            await self._running.close()
            self._running = None

    def working_directory(self) -> str:
        """Return the folder as commands see it."""
        return self._inside

    def platform(self) -> str:
        """Return the name of the operating system."""
        return platform.system().lower()

    def os_version(self) -> str:
        """Return the release of the operating system."""
        return platform.release()

    def promises(self) -> Promises:
        """Return the guarantees that were proved by attempts at the start."""
        return self._promises

    async def exec_command(
        self,
        command: str,
        *,
        timeout_ms: int,
        working_dir: str | None = None,
        env_vars: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> ExecResult:
        """Run a shell command to its end or its time limit."""
        started = monotonic()
        stdout, stderr = BoundedOutput(self._keep), BoundedOutput(self._keep)
        with ExitStack() as closing:
            out = PipeReader(output_sink("stdout", stdout, on_output))
            err = PipeReader(output_sink("stderr", stderr, on_output))
            closing.callback(out.close)
            closing.callback(err.close)
            job = await self._start(
                command, out, err, working_dir=working_dir, env_vars=env_vars, stdin=stdin
            )
            ended = await self._end_within(job, timeout_ms / 1000)
            await out.drain()
            await err.drain()
        duration_ms = round((monotonic() - started) * 1000)
        kept_out, kept_err = stdout.kept(), stderr.kept()
        return ExecResult(
            stdout=kept_out.text,
            stderr=kept_err.text,
            exit_code=ended.code,
            timed_out=ended.cut,
            duration_ms=duration_ms,
            stdout_omitted=kept_out.omitted,
            stderr_omitted=kept_err.omitted,
        )

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> RunningCommand:
        """Start a background command that ends with the environment at the latest."""
        backlog = OutputBacklog()
        out = PipeReader(backlog.add)
        try:
            job = await self._start(command, out, out, working_dir=None, env_vars=env_vars)
        except BaseException:
            out.close()
            raise
        return watch_service(self._sandbox(), job, out, backlog)

    @asynccontextmanager
    async def reach(self, port: int) -> AsyncGenerator[str]:
        """Yield an address outside that forwards connections to a port inside."""
        sandbox = self._sandbox_with_loopback()

        async def connect() -> socket.socket:
            try:
                made = await sandbox.make_socket(socket.AF_INET)
                return await connect_socket(made, (LOOPBACK, port))
            except ConnectionRefusedError:  # it may listen on the other loopback only
                made = await sandbox.make_socket(socket.AF_INET6)
                return await connect_socket(made, ("::1", port))

        listener = listen(socket.socket(socket.AF_INET, socket.SOCK_STREAM), 0)
        async with forwarded(listener, connect):
            yield f"{LOOPBACK}:{listener.getsockname()[1]}"

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Forward connections from a port inside to an address outside."""
        return self._offered(port, Address.parse(address))

    @asynccontextmanager
    async def _offered(self, port: int, address: Address) -> AsyncGenerator[None]:
        if self._settings.opens_network and Address.parse(f"{LOOPBACK}:{port}") == address:
            yield  # the loopback inside is that of this machine
            return
        made = await self._sandbox_with_loopback().make_socket(socket.AF_INET)
        async with forwarded(listen(made, port), address.connect):
            yield

    def _sandbox(self) -> Sandbox:
        if self._running is None:
            raise UsageError(
                "the sandbox does not run", hint="initialize() comes first, cleanup() last"
            )
        return self._running

    def _sandbox_with_loopback(self) -> Sandbox:
        sandbox = self._sandbox()
        if not sandbox.has_network:
            raise NotSupported(NO_PORTS, hint=PORTS_HINT)
        return sandbox

    async def _start(
        self,
        command: str,
        out: PipeReader,
        err: PipeReader,
        *,
        working_dir: str | None,
        env_vars: Mapping[str, str] | None,
        stdin: bytes = b"",
    ) -> Job:
        """Start a shell inside; close the writing ends of the pipes in this process."""
        try:
            below = files.require_folder(self._confined, working_dir or ".")
            sandbox = self._sandbox()
            return await sandbox.run(
                [SHELL, "-c", command],
                cwd=f"{self._inside}/{below}",
                env={**self._settings.variables, **sandbox.variables, **(env_vars or {})},
                out=out.writer,
                err=err.writer,
                stdin=stdin,
            )
        finally:
            out.close_writer()
            err.close_writer()

    async def _end_within(self, job: Job, seconds: float) -> CommandExit:
        sandbox = self._sandbox()
        try:
            async with asyncio.timeout(seconds):
                return await job.wait()
        except TimeoutError:
            return await sandbox.end(job)
        except asyncio.CancelledError:
            with suppress(MachineryError):
                await sandbox.end(job)
            raise

    async def _search(self, command: str) -> ExecResult:
        return await self.exec_command(command, timeout_ms=TIME_LIMIT_MS)


def _hidden_in(mounts: Sequence[BindMount], hide: Sequence[Path]) -> Set[FileIdentity]:
    """Return the hidden files in mounts, which file tools must not read either."""
    sources = [mount.source.resolve() for mount in mounts]
    hidden = {path.resolve() for path in hide if path.exists()}
    return {
        file_identity(path.stat())
        for path in hidden
        if any(path.is_relative_to(source) for source in sources)
    }
