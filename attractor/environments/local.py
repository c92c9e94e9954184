"""Tools on the operator's own machine (coding-agent-loop §4.2): files confined, commands unguarded.

Paths in the file tools stay in the working folder; a command may do whatever the operator may. So
it promises nothing. What commands leave running is ended at the end, as far as it can be found.
"""

import asyncio
import platform
import shutil
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from attractor.base.process_output import OnOutput, OutputLimit
from attractor.base.processes import ExecResult, run_process
from attractor.environments import files
from attractor.environments.confined import Confined
from attractor.environments.environment import Promises, Service
from attractor.environments.file_tools import FileTools
from attractor.environments.forwarding import LOOPBACK, Address, forwarded, listen
from attractor.environments.left_over import end_marked
from attractor.environments.local_service import start_local_service
from attractor.environments.marks import MARK, new_mark
from attractor.environments.searching import TIME_LIMIT_MS, Searcher
from attractor.environments.services import BackgroundService
from attractor.environments.variables import Inherit, inherited

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
