"""Tools on the operator's own machine (coding-agent-loop §4.2): files confined, commands unguarded.

Paths in the file tools stay in the working folder; a command may do whatever the operator may. So
it promises nothing.
"""

import asyncio
import platform
import shutil
import socket
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from attractor.base.bounded_output import OutputLimit
from attractor.base.processes import ExecResult, run_process
from attractor.environments import files
from attractor.environments.confined import Confined
from attractor.environments.environment import DirEntry, GrepOptions, Promises, Service
from attractor.environments.forwarding import LOOPBACK, Address, forwarded, listen
from attractor.environments.local_service import start_local_service
from attractor.environments.searching import TIME_LIMIT_MS, Searcher
from attractor.environments.services import BackgroundService
from attractor.environments.variables import Inherit, inherited

SHELL = "/bin/bash"
WORKSPACE = "/workspace"


class LocalExecutionEnvironment:
    """A folder of this machine, where commands run as the operator's own."""

    def __init__(
        self,
        folder: str | Path,
        *,
        environ: Mapping[str, str],
        inherit: Inherit = Inherit.ALL,
        keep: OutputLimit | None = None,
    ) -> None:
        self._folder = Path(folder).resolve()
        names = (str(self._folder), str(Path(folder).absolute()), WORKSPACE)
        self._confined = Confined(self._folder, names)
        self._variables = inherited(environ, inherit)
        self._keep = keep or OutputLimit()
        ripgrep = shutil.which("rg", path=environ.get("PATH", ""))
        self._searcher = Searcher(sys.executable, ripgrep)
        self._services: list[BackgroundService] = []

    async def initialize(self) -> None:
        """See that the folder is there."""
        files.require_folder(self._confined, ".")

    async def cleanup(self) -> None:
        """Stop the services that go on."""
        services, self._services = self._services, []
        await asyncio.gather(*(service.stop() for service in services))

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

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return a file's text, or lines of it."""
        return files.read_text(self._confined, path, offset=offset, limit=limit)

    async def write_file(self, path: str, content: str) -> None:
        """Write a file whole, its folders included."""
        files.write_text(self._confined, path, content)

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        files.delete(self._confined, path)

    async def file_exists(self, path: str) -> bool:
        """Tell whether there is a file or folder."""
        return files.exists(self._confined, path)

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the names in a folder."""
        return await asyncio.to_thread(files.list_directory, self._confined, path, depth=depth)

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files a pattern matches, the newest first."""
        return await asyncio.to_thread(files.glob, self._confined, pattern, path)

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return `file:line:text` for every line that matches."""
        below = files.require_there(self._confined, path)
        return await self._searcher.grep(pattern, below, options, self._search)

    async def exec_command(
        self,
        command: str,
        *,
        timeout_ms: int,
        working_dir: str | None = None,
        env_vars: Mapping[str, str] | None = None,
    ) -> ExecResult:
        """Run a shell command to its end or its time limit."""
        below = files.require_folder(self._confined, working_dir or ".")
        return await run_process(
            [SHELL, "-c", command],
            cwd=self._folder / below,
            env={**self._variables, **(env_vars or {})},
            timeout=timedelta(milliseconds=timeout_ms),
            keep=self._keep,
        )

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> Service:
        """Start a shell command that goes on until it is stopped or the environment given up."""
        service = await start_local_service(
            [SHELL, "-c", command],
            cwd=str(self._folder),
            env={**self._variables, **(env_vars or {})},
        )
        self._services.append(service)
        return service

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Yield the port's address: inside and outside are the same here."""
        return _address(port)

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Carry connections from a port of the loopback to an address."""
        return _offered(port, Address.parse(address))

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
