"""The environment in which tools run, and the variables that commands get."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.base.processes import ExecResult, OnOutput

# §4.2 names the first five suffixes; the others are used by cloud providers. The settings of
# notify contain webhook URLs, which allow posting; those of the fleet and of MCP servers contain
# passwords and keys.
_SECRET_ENDINGS = (
    *("_api_key", "_secret", "_token", "_password", "_credential", "_credentials"),
    *("_access_key", "_private_key"),
)
_SECRET_BEGINNINGS = ("attractor_notify__", "attractor_fleet__", "attractor_agent__mcp__")
_CORE = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TZ", "TMPDIR"}
_LANGUAGES = {
    *("GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME", "NVM_DIR", "NODE_PATH", "PYENV_ROOT"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "JAVA_HOME", "GRADLE_USER_HOME", "GEM_HOME", "RBENV_ROOT"),
    *("BUN_INSTALL", "DENO_DIR", "DOTNET_ROOT", "PNPM_HOME", "SDKMAN_DIR"),
}
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SYSTEM = ("/usr", "/bin", "/sbin")
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


class Inherit(StrEnum):
    """The part of the operator's variables that a command gets."""

    ALL = "all"
    CORE = "core"
    NONE = "none"


def inherited(environ: Mapping[str, str], inherit: Inherit = Inherit.ALL) -> dict[str, str]:
    """Return the variables of commands without a sandbox; API keys are never included."""
    if inherit is Inherit.NONE:
        return {}
    core = {
        name: value
        for name, value in environ.items()
        if name in _CORE or name in _LANGUAGES or name.startswith("LC_")
    }
    if inherit is Inherit.CORE:
        return core
    return core | {name: value for name, value in environ.items() if not _is_secret(name)}


def _is_secret(name: str) -> bool:
    known = name.casefold()
    return known.endswith(_SECRET_ENDINGS) or known.startswith(_SECRET_BEGINNINGS)


def sandboxed(
    environ: Mapping[str, str],
    *,
    read: Sequence[str],
    passed: Sequence[str],
    home: str,
    env: Mapping[str, str] = NO_VARIABLES,
) -> dict[str, str]:
    """Return the variables of commands in a sandbox.

    Variables about the operator are only included if `passed` names them. A path in a variable is
    only included if the path is in the system or in a readable folder; a path in `env` elsewhere is
    refused.
    """
    visible = (*_SYSTEM, *read)
    for name, value in env.items():
        if value.startswith("/") and not _is_below(value, visible):
            raise UsageError(
                f"sandbox.env: {name} is {value}, which is not in a readable folder",
                hint="add the folder to sandbox.read of the profile of the run, or remove the "
                "variable",
            )
    locale = {
        name: value
        for name, value in environ.items()
        if name in {"LANG", "TERM", "TZ"} or name.startswith("LC_")
    }
    languages = {
        name: value
        for name, value in environ.items()
        if name in _LANGUAGES and _is_below(value, visible)
    }
    named = {name: environ[name] for name in passed if name in environ}
    folders = [
        folder for folder in environ.get("PATH", "").split(":") if _is_below(folder, visible)
    ]
    own = {
        "PATH": ":".join(dict.fromkeys((*folders, *_SYSTEM_PATH))),
        "HOME": home,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/bash",
        "TMPDIR": "/tmp",
    }
    return locale | languages | own | named | dict(env)


def _is_below(path: str, folders: Sequence[str]) -> bool:
    return ".." not in path.split("/") and any(
        path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders
    )


@dataclass(frozen=True)
class DirEntry:
    """One entry of a folder."""

    name: str
    is_dir: bool
    size: int | None


class GrepOutput(StrEnum):
    """The result of a search: matching lines, files, or the number of matching lines by file."""

    CONTENT = "content"
    FILES = "files_with_matches"
    COUNT = "count"


@dataclass(frozen=True)
class GrepOptions:
    """Options of a search; `max_results` is the limit of lines in the result."""

    glob: str = ""
    ignore_case: bool = False
    max_results: int = 100
    output: GrepOutput = GrepOutput.CONTENT


@dataclass(frozen=True)
class Promises:
    """Guarantees that were proved by attempts at the start.

    The guarantees are recorded in manifest.json and in the evaluation. Besides its workspace, a
    stage can write the cache folder of its run; a trial has none.
    """

    hides_operator: bool = False
    own_network: bool = False
    own_processes: bool = False
    writes_only_workspace: bool = False
    bounds_resources: bool = False
    refuses_system_calls: bool = False
    hides_metadata: bool = False
    own_loopback: bool = False

    @property
    def guards_holdouts(self) -> bool:
        """Whether agents cannot read the holdouts."""
        return self.hides_operator and self.own_network and self.own_processes


class RunningCommand(Protocol):
    """A background command."""

    def output(self) -> AsyncIterator[bytes]:
        """Yield the output of the command as it arrives, until the output ends."""
        ...

    async def stop(self, *, at_once: bool = False) -> int:
        """Stop the command and its process group, and return its exit status.

        The group gets SIGTERM and two seconds; with `at_once`, it gets SIGKILL and nothing else.
        """
        ...


class ExecutionEnvironment(Protocol):
    """A working folder with file tools and commands; relative paths start at the folder.

    An impossible file operation raises `errors.FileUnusable` with a message for a model.
    """

    async def initialize(self) -> None:
        """Start the environment; call this method first."""
        ...

    async def cleanup(self) -> None:
        """Stop all processes; call this method last. A repeated call has no effect."""
        ...

    def working_directory(self) -> str:
        """Return the working folder, as commands see it."""
        ...

    def platform(self) -> str:
        """Return `linux`, `darwin`, `windows` or `wasm`."""
        ...

    def os_version(self) -> str:
        """Return the version of the operating system."""
        ...

    def promises(self) -> Promises:
        """Return the proved guarantees."""
        ...

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return the text of a file, or `limit` lines from the 1-based line `offset`."""
        ...

    async def read_bytes(self, path: str, *, limit: int) -> bytes:
        """Return the first `limit` bytes of a file."""
        ...

    async def write_file(
        self, path: str, content: str | bytes, *, permissions_of: str = ""
    ) -> None:
        """Write a file, and create missing parent folders.

        A new file gets the permissions of another file, if one is given.
        """
        ...

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        ...

    async def file_exists(self, path: str) -> bool:
        """Return whether a file or folder exists."""
        ...

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the entries of a folder, sorted; deeper entries as `folder/name`."""
        ...

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return `file:line:text` for every line that a regular expression matches.

        `options.output` asks for `file` or `file:count` instead.
        """
        ...

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files that match a pattern, newest first."""
        ...

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
        """Run a shell command to its end or its time limit, with `stdin` as input.

        `on_output` is called with each piece of output as it arrives, and never raises.
        """
        ...

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> RunningCommand:
        """Start a background command."""
        ...

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Forward a port inside to the outside, and yield the address outside (`host:port`)."""
        ...

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Forward an address outside (`host:port`) to a port inside."""
        ...


_MAKE_FOLDER = 'mktemp -d "${TMPDIR:-/tmp}/attractor.XXXXXXXX"'
# Containers and hosts over SSH are slow to start a command.
_QUICK_MS = 30_000


@asynccontextmanager
async def temporary_folder(environment: ExecutionEnvironment) -> AsyncGenerator[str]:
    """Yield a new folder for temporary files in an environment, and remove the folder."""
    made = await environment.exec_command(_MAKE_FOLDER, timeout_ms=_QUICK_MS)
    folder = made.stdout.strip()
    if made.exit_code or not folder:
        why = made.stderr.strip() or f"mktemp: exit status {made.exit_code}"
        message = f"cannot create a temporary folder: {why}"
        raise UsageError(message, hint="check the folder for temporary files")
    try:
        yield folder
    finally:
        # An environment that has ended has no folder any more.
        with suppress(AttractorError):
            await environment.exec_command(
                'rm -rf "$folder"', timeout_ms=_QUICK_MS, env_vars={"folder": folder}
            )


MAX_UNREAD = 1024 * 1024


class OutputBacklog:
    """Unread output, limited in size; the oldest output is dropped."""

    def __init__(self, max_bytes: int = MAX_UNREAD) -> None:
        self._max = max_bytes
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._ended = False
        self._woken = asyncio.Event()

    def add(self, piece: bytes) -> None:
        """Add output."""
        self._pieces.append(piece)
        self._size += len(piece)
        while self._size > self._max and len(self._pieces) > 1:
            gone = len(self._pieces.popleft())
            self._size -= gone
            self._lost += gone
        self._woken.set()

    def end(self) -> None:
        """Mark the end of the output."""
        self._ended = True
        self._woken.set()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield each piece of output once, as it arrives, to the end."""
        while True:
            if self._lost:
                lost, self._lost = self._lost, 0
                yield f"[... {lost} bytes omitted ...]\n".encode()
            while self._pieces:
                piece = self._pieces.popleft()
                self._size -= len(piece)
                yield piece
            if self._ended:
                return
            self._woken.clear()
            await self._woken.wait()


class CommandWithBacklog:
    """A background command, and the unread output of the command."""

    def __init__(self, backlog: OutputBacklog, end: Callable[[bool], Awaitable[int]]) -> None:
        self._backlog = backlog
        self._end = end

    def output(self) -> AsyncIterator[bytes]:
        """Yield standard output and standard error of the command as they arrive, until the end."""
        return self._backlog.read()

    async def stop(self, *, at_once: bool = False) -> int:
        """Stop the command and return its exit status; harmless if the command has ended."""
        return await self._end(at_once)
