"""Environments that wrap another environment (§4.4)."""

import posixpath
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from attractor.base.processes import ExecResult, OnOutput
from attractor.environments.environment import (
    DirEntry,
    ExecutionEnvironment,
    GrepOptions,
    Promises,
    RunningCommand,
)


class EnvironmentWrapper:
    """Passes every operation to another environment; subclasses override some of them, or `_at`
    for all paths.

    Commands get `variables`, unless the caller sets these variables.
    """

    def __init__(
        self, inner: ExecutionEnvironment, *, variables: Mapping[str, str] | None = None
    ) -> None:
        self._inner = inner
        self._variables = dict(variables or {})

    def _at(self, path: str) -> str:
        """Return a path as the other environment sees it."""
        return path

    async def initialize(self) -> None:
        """Prepare the environment."""
        await self._inner.initialize()

    async def cleanup(self) -> None:
        """End all processes in the environment."""
        await self._inner.cleanup()

    def working_directory(self) -> str:
        """Return the working directory."""
        return self._inner.working_directory()

    def platform(self) -> str:
        """Return the operating system."""
        return self._inner.platform()

    def os_version(self) -> str:
        """Return the version of the operating system."""
        return self._inner.os_version()

    def promises(self) -> Promises:
        """Return the proven restrictions of the environment."""
        return self._inner.promises()

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return the text of a file, or some of its lines."""
        return await self._inner.read_file(self._at(path), offset=offset, limit=limit)

    async def read_bytes(self, path: str, *, limit: int) -> bytes:
        """Return the first bytes of a file."""
        return await self._inner.read_bytes(self._at(path), limit=limit)

    async def write_file(
        self, path: str, content: str | bytes, *, permissions_of: str = ""
    ) -> None:
        """Write a whole file."""
        source = self._at(permissions_of) if permissions_of else ""
        await self._inner.write_file(self._at(path), content, permissions_of=source)

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        await self._inner.delete_file(self._at(path))

    async def file_exists(self, path: str) -> bool:
        """Return whether a file or folder exists."""
        return await self._inner.file_exists(self._at(path))

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the names in a folder."""
        return await self._inner.list_directory(self._at(path), depth=depth)

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return the lines that match a regular expression."""
        return await self._inner.grep(pattern, self._at(path), options)

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files that match a pattern."""
        return await self._inner.glob(pattern, self._at(path))

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
        """Run a command."""
        return await self._inner.exec_command(
            command,
            timeout_ms=timeout_ms,
            working_dir=self._at(working_dir or "."),
            env_vars={**self._variables, **(env_vars or {})},
            stdin=stdin,
            on_output=on_output,
        )

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> RunningCommand:
        """Start a command in the background."""
        return await self._inner.start_service(
            command, env_vars={**self._variables, **(env_vars or {})}
        )

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Forward a port of the environment to the host."""
        return self._inner.reach(port)

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Forward an address of the host to the environment."""
        return self._inner.offer(port, address)


class SubfolderEnvironment(EnvironmentWrapper):
    """An environment whose relative paths and commands start at a folder of another environment."""

    def __init__(self, inner: ExecutionEnvironment, folder: str) -> None:
        super().__init__(inner)
        self._folder = folder

    async def cleanup(self) -> None:
        """Keep the processes: the other environment ends them."""

    def working_directory(self) -> str:
        """Return the folder."""
        return self._folder

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return the lines that match a regular expression."""
        found = await super().grep(pattern, path, options)
        lines = found.removesuffix("\n").split("\n") if found else []
        return "".join(f"{self._seen(line)}\n" for line in lines)

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files that match a pattern."""
        return [self._seen(file) for file in await super().glob(pattern, path)]

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> RunningCommand:
        """Start a command in the background in the folder."""
        enter = f"cd {shlex.quote(self._folder)} || exit\n"
        return await super().start_service(enter + command, env_vars=env_vars)

    def _seen(self, found: str) -> str:
        """Return a path of the other environment, or a line with it, as seen from the folder."""
        return f"{self._inner.working_directory()}/{found}".removeprefix(f"{self._folder}/")

    def _at(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self._folder, path))
