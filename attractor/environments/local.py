"""Tools on the operator's own machine (coding-agent-loop §4.2): files confined, commands unguarded.

Paths in the file tools stay in the working folder; a command may do whatever the operator may. So
it promises nothing. What commands leave running is ended at the end, as far as it can be found.

A service on the operator's own machine, in a process group of its own.
"""

import asyncio
import os
import platform
import shutil
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

from attractor.base.errors import ProcessNotStarted
from attractor.base.process_output import OnOutput, OutputLimit
from attractor.base.processes import ExecResult, run_process
from attractor.environments import files
from attractor.environments.confined_paths import Confined
from attractor.environments.environment import BackgroundService, Backlog, Promises, Service
from attractor.environments.files import FileTools
from attractor.environments.orphan_processes import MARK, end_marked, new_mark
from attractor.environments.sandbox.sockets import LOOPBACK, Address, Intake, forwarded, listen
from attractor.environments.search import TIME_LIMIT_MS, Searcher
from attractor.environments.variables import Inherit, inherited

_GRACE_S = 2.0


async def start_local_service(
    argv: Sequence[str], *, cwd: str, env: Mapping[str, str]
) -> BackgroundService:
    """Start a program that goes on until it is stopped."""
    backlog = Backlog()
    out = Intake(backlog.add)
    try:
        # Its pipe is ours: asyncio's own stays open for as long as anybody holds it.
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
    out.close_writer()
    watching = asyncio.create_task(_see_end(process, out, backlog))

    async def end() -> int:
        if not watching.done():
            await _end(process.pid, watching)
        return await asyncio.shield(watching)

    return BackgroundService(backlog, end)


async def _see_end(process: asyncio.subprocess.Process, out: Intake, backlog: Backlog) -> int:
    try:
        code = await process.wait()
        _signal(process.pid, signal.SIGKILL)  # who is left of its group
        await out.drain()
    finally:
        out.close()
        backlog.end()
    return code


async def _end(group: int, watching: "asyncio.Task[int]") -> None:
    try:
        _signal(group, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await asyncio.shield(watching)
    finally:
        if not watching.done():  # its time is up, or ours: we are cancelled
            _signal(group, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


SHELL = "/bin/bash"
WORKSPACE = "/workspace"


class LocalExecutionEnvironment(FileTools):
    """A folder of this machine, where commands run as the operator's own.

    When they are those of a run, its next life finds what this one left running.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        environ: Mapping[str, str],
        inherit: Inherit = Inherit.ALL,
        keep: OutputLimit | None = None,
        run_id: str = "",
    ) -> None:
        self._folder = Path(folder).resolve()
        names = (str(self._folder), str(Path(folder).absolute()), WORKSPACE)
        searcher = Searcher(sys.executable, shutil.which("rg", path=environ.get("PATH", "")))
        super().__init__(Confined(self._folder, names), searcher, self._search)
        self._mark = new_mark(run_id)
        self._has_begun_any = False
        self._variables = inherited(environ, inherit)
        self._keep = keep or OutputLimit()
        self._services: list[BackgroundService] = []

    async def initialize(self) -> None:
        """See that the folder is there."""
        files.require_folder(self._confined, ".")

    async def cleanup(self) -> None:
        """Stop the services that go on, and end whoever else was left running and can be found."""
        services, self._services = self._services, []
        try:
            await asyncio.gather(*(service.stop() for service in services))
        finally:
            # Looking costs as much as there are processes, and most stages begin none.
            if self._has_begun_any:
                await end_marked(self._mark)
                self._has_begun_any = False

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
        """Return that nothing is guarded."""
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
        below = files.require_folder(self._confined, working_dir or ".")
        return await run_process(
            [SHELL, "-c", command],
            cwd=self._folder / below,
            env=self._given(env_vars),
            timeout=timedelta(milliseconds=timeout_ms),
            stdin=stdin,
            on_output=on_output,
            keep=self._keep,
        )

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> Service:
        """Start a shell command that goes on until it is stopped or the environment given up."""
        service = await start_local_service(
            [SHELL, "-c", command],
            cwd=str(self._folder),
            env=self._given(env_vars),
        )
        self._services.append(service)
        return service

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Yield the port's address: inside and outside are the same here."""
        return _address(port)

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Carry connections from a port of the loopback to an address."""
        return _offered(port, Address.parse(address))

    def _given(self, variables: Mapping[str, str] | None) -> Mapping[str, str]:
        self._has_begun_any = True
        return {**self._variables, **(variables or {}), MARK: self._mark}

    async def _search(self, command: str) -> ExecResult:
        return await self.exec_command(command, timeout_ms=TIME_LIMIT_MS)


@asynccontextmanager
async def _address(port: int) -> AsyncGenerator[str]:
    yield f"{LOOPBACK}:{port}"


@asynccontextmanager
async def _offered(port: int, address: Address) -> AsyncGenerator[None]:
    if address == Address(LOOPBACK, port):  # it is there already
        yield
        return
    listener = listen(socket.socket(socket.AF_INET, socket.SOCK_STREAM), port)
    async with forwarded(listener, address.connect):
        yield
