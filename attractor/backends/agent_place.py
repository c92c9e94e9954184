"""The environment as the agent of one stage has it: what runs there is seen, and may report."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from attractor.base.process_output import OnOutput
from attractor.base.processes import ExecResult
from attractor.engine.interfaces import StageFiles
from attractor.engine.stage.stage_files import tail_in
from attractor.environments.environment import (
    DirEntry,
    ExecutionEnvironment,
    GrepOptions,
    Promises,
    Service,
)


class AgentPlace:
    """Hands everything on to an environment, with more variables for its commands.

    The last lines of what a command prints can be read in the stage's folder while it prints.
    """

    def __init__(
        self, environment: ExecutionEnvironment, variables: Mapping[str, str], files: StageFiles
    ) -> None:
        self._inner = environment
        self._variables = dict(variables)
        self._files = files

    async def initialize(self) -> None:
        """Make it ready."""
        await self._inner.initialize()

    async def cleanup(self) -> None:
        """End all that runs in it."""
        await self._inner.cleanup()

    def working_directory(self) -> str:
        """Return the folder of the work."""
        return self._inner.working_directory()

    def platform(self) -> str:
        """Return the operating system."""
        return self._inner.platform()

    def os_version(self) -> str:
        """Return its version."""
        return self._inner.os_version()

    def promises(self) -> Promises:
        """Return what it was proved to guard."""
        return self._inner.promises()

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return a file's text, or lines of it."""
        return await self._inner.read_file(path, offset=offset, limit=limit)

    async def write_file(self, path: str, content: str) -> None:
        """Write a file whole."""
        await self._inner.write_file(path, content)

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        await self._inner.delete_file(path)

    async def file_exists(self, path: str) -> bool:
        """Tell whether there is a file or folder."""
        return await self._inner.file_exists(path)

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the names in a folder."""
        return await self._inner.list_directory(path, depth=depth)

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return the lines that a regular expression matches."""
        return await self._inner.grep(pattern, path, options)

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files a pattern matches."""
        return await self._inner.glob(pattern, path)

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
        """Run a command whose output is seen as it comes, unless somebody else takes it."""
        async with tail_in(self._files) as add:
            return await self._inner.exec_command(
                command,
                timeout_ms=timeout_ms,
                working_dir=working_dir,
                env_vars={**self._variables, **(env_vars or {})},
                stdin=stdin,
                on_output=on_output or add,
            )

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> Service:
        """Start a command that goes on."""
        return await self._inner.start_service(
            command, env_vars={**self._variables, **(env_vars or {})}
        )

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Hand a port inside to the outside."""
        return self._inner.reach(port)

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Hand an address outside to the inside."""
        return self._inner.offer(port, address)
