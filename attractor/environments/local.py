"""Runs tools on the operator's machine (coding-agent-loop §4.2); only file tools are confined.

File tools stay in the working folder. Commands have all rights of the operator, so nothing is
guaranteed. Processes that commands left running are killed at the end, as far as they can be found.
"""

import asyncio
import platform
import shutil
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path

from attractor import __environ__
from attractor.base.errors import ProcessNotStarted
from attractor.base.processes import (
    STARTED,
    ExecResult,
    OnOutput,
    OutputLimit,
    run_process,
    signal_group,
)
from attractor.environments import files
from attractor.environments.confined_paths import ConfinedFolder
from attractor.environments.environment import (
    CommandWithBacklog,
    Inherit,
    OutputBacklog,
    Promises,
    RunningCommand,
    inherited,
)
from attractor.environments.errors import CommandUnusable
from attractor.environments.files import FileTools
from attractor.environments.orphan_processes import MARK, Guardian, kill_marked, new_mark
from attractor.environments.sandbox.sockets import LOOPBACK, Address, PipeReader, forwarded, listen
from attractor.environments.search import TIME_LIMIT_MS, Searcher

_GRACE_S = 2.0


async def start_local_service(
    argv: Sequence[str], *, cwd: str, env: Mapping[str, str]
) -> CommandWithBacklog:
    """Start a background program."""
    backlog = OutputBacklog()
    out = PipeReader(backlog.add)
    try:
        # A pipe of its own, because asyncio's stays open as long as any process holds it.
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out.writer,
            stderr=out.writer,
            start_new_session=True,
        )
    except BaseException as cause:
        out.close()
        if isinstance(cause, OSError):
            raise ProcessNotStarted(f"{argv[0]} was not started: {cause.strerror}") from cause
        raise
    STARTED.add(process.pid)
    out.close_writer()
    watching = asyncio.create_task(_watch(process, out, backlog))

    async def end(at_once: bool) -> int:
        if not watching.done():
            await _stop(process.pid, watching, at_once)
        return await asyncio.shield(watching)

    return CommandWithBacklog(backlog, end)


async def _watch(
    process: asyncio.subprocess.Process, out: PipeReader, backlog: OutputBacklog
) -> int:
    try:
        code = await process.wait()
        signal_group(process.pid, signal.SIGKILL)  # the rest of its group
        await out.drain()
    finally:
        out.close()
        backlog.end()
    return code


async def _stop(group: int, watching: "asyncio.Task[int]", at_once: bool) -> None:
    try:
        signal_group(group, signal.SIGKILL if at_once else signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await asyncio.shield(watching)
    finally:
        if not watching.done():  # time limit or cancellation
            signal_group(group, signal.SIGKILL)


SHELL = "/bin/bash"
WORKSPACE = "/workspace"


# Linux refuses longer arguments.
_LONGEST_COMMAND = 128 * 1024 - 1


def require_runnable(command: str) -> None:
    """Raise CommandUnusable for a command that the system cannot start."""
    if "\0" in command:
        raise CommandUnusable("the command contains a null character", hint="remove it")
    if len(command.encode("utf-8", "surrogatepass")) > _LONGEST_COMMAND:
        raise CommandUnusable(
            f"the command is longer than {_LONGEST_COMMAND} bytes",
            hint="write it to a file with write_file, and run the file",
        )


class LocalExecutionEnvironment(FileTools):
    """A folder of this machine, where commands run with the rights of the operator.

    The commands are marked with `run_id`, so that a resumed run finds processes left over. A
    `guardian` kills them if this process is killed, and adopts their orphans.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        environ: Mapping[str, str] | None = None,
        inherit: Inherit = Inherit.ALL,
        keep: OutputLimit | None = None,
        run_id: str = "",
        guardian: Guardian | None = None,
    ) -> None:
        environ = __environ__() if environ is None else environ
        self._folder = Path(folder).resolve()
        names = (str(self._folder), str(Path(folder).absolute()), WORKSPACE)
        searcher = Searcher(sys.executable, shutil.which("rg", path=environ.get("PATH", "")))
        super().__init__(ConfinedFolder(self._folder, names), searcher, self._search)
        self._mark = new_mark(run_id)
        self._guardian = guardian
        self._has_started_any = False
        self._variables = inherited(environ, inherit)
        self._keep = keep or OutputLimit()
        self._services: list[CommandWithBacklog] = []

    async def initialize(self) -> None:
        """Check that the folder exists."""
        files.require_folder(self._confined, ".")

    async def cleanup(self) -> None:
        """Stop background services, and kill processes left over."""
        services, self._services = self._services, []
        try:
            await asyncio.gather(*(service.stop() for service in services))
        finally:
            # The search costs time for every process, and most stages start none.
            if self._has_started_any:
                guardian = self._guardian
                try:
                    adopted = guardian is not None and guardian.is_alone(self)
                    await kill_marked(self._mark, adopted=adopted)
                finally:
                    if guardian:
                        guardian.end(self)
                self._has_started_any = False

    def working_directory(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def platform(self) -> str:
        """Return the name of the operating system."""
        return platform.system().lower()

    def os_version(self) -> str:
        """Return the release of the operating system."""
        return platform.release()

    def promises(self) -> Promises:
        """Return no guarantees."""
        return Promises()

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
        require_runnable(command)
        below = files.require_folder(self._confined, working_dir or ".")
        return await run_process(
            [SHELL, "-c", command],
            cwd=self._folder / below,
            env=self._environ(env_vars),
            timeout=timedelta(milliseconds=timeout_ms),
            stdin=stdin,
            on_output=on_output,
            keep=self._keep,
        )

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> RunningCommand:
        """Start a background command that ends with the environment at the latest."""
        require_runnable(command)
        service = await start_local_service(
            [SHELL, "-c", command],
            cwd=str(self._folder),
            env=self._environ(env_vars),
        )
        self._services.append(service)
        return service

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Yield the address of the port, which is the same inside and outside."""
        return nullcontext(f"{LOOPBACK}:{port}")

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Forward connections from a port of the loopback to an address."""
        return _offered(port, Address.parse(address))

    def _environ(self, variables: Mapping[str, str] | None) -> Mapping[str, str]:
        self._has_started_any = True
        if self._guardian:
            self._guardian.begin(self)
        return {**self._variables, **(variables or {}), MARK: self._mark}

    async def _search(self, command: str) -> ExecResult:
        return await self.exec_command(command, timeout_ms=TIME_LIMIT_MS)


@asynccontextmanager
async def _offered(port: int, address: Address) -> AsyncGenerator[None]:
    if address == Address(LOOPBACK, port):  # the address is the port itself
        yield
        return
    listener = listen(socket.socket(socket.AF_INET, socket.SOCK_STREAM), port)
    async with forwarded(listener, address.connect):
        yield
