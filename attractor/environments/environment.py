"""Where tools touch the world (coding-agent-loop 4.1), for as long as a stage or a trial lasts.

Commands that go on while others run: what they print is kept until somebody reads it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.process_output import OnOutput
from attractor.base.processes import ExecResult


@dataclass(frozen=True)
class DirEntry:
    """One name in a folder."""

    name: str
    is_dir: bool
    size: int | None


@dataclass(frozen=True)
class GrepOptions:
    """How to search."""

    glob: str = ""
    ignore_case: bool = False
    max_results: int = 100


@dataclass(frozen=True)
class Promises:
    """What attempts at boot proved; written to manifest.json and sealed with the evaluation."""

    hides_operator: bool = False
    own_network: bool = False
    own_processes: bool = False
    writes_only_workspace: bool = False

    @property
    def guards_holdouts(self) -> bool:
        """Whether everything holds that keeps an agent from the holdouts."""
        return self.hides_operator and self.own_network and self.own_processes


class Service(Protocol):
    """A command that goes on while others run."""

    def output(self) -> AsyncIterator[bytes]:
        """Yield what it prints, as it comes, to its end."""
        ...

    async def stop(self) -> int:
        """End it and return its exit code."""
        ...


class ExecutionEnvironment(Protocol):
    """One place with files and commands. Paths are its own: relative ones count from its folder.

    What cannot be done with a file raises `errors.FileUnusable`, in words fit for a model.
    """

    async def initialize(self) -> None:
        """Make it ready; the first call."""
        ...

    async def cleanup(self) -> None:
        """End all that runs in it and give it up; the last call, harmless when repeated."""
        ...

    def working_directory(self) -> str:
        """Return the folder of the work, as commands inside see it."""
        ...

    def platform(self) -> str:
        """Return `linux`, `darwin`, `windows` or `wasm`."""
        ...

    def os_version(self) -> str:
        """Return the version of the operating system."""
        ...

    def promises(self) -> Promises:
        """Return what it was proved to guard."""
        ...

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return a file's text, or `limit` lines of it from the 1-based line `offset`."""
        ...

    async def write_file(self, path: str, content: str) -> None:
        """Write a file whole, its folders included."""
        ...

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        ...

    async def file_exists(self, path: str) -> bool:
        """Tell whether there is a file or folder."""
        ...

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the names in a folder, sorted, those of folders below as `folder/name`."""
        ...

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return `file:line:text` for every line that a regular expression matches."""
        ...

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files a pattern matches, the newest first."""
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
        """Run a shell command to its end or its time limit; it reads what it is handed.

        What it prints is handed on as it comes, to a function that never raises.
        """
        ...

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> Service:
        """Start a shell command that goes on."""
        ...

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Hand a port inside to the outside: yields the address (`host:port`) to connect to."""
        ...

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Hand an address outside (`host:port`) to the inside, where it listens on a port."""
        ...


MOST_UNREAD = 1024 * 1024


class Backlog:
    """What was printed and not read yet; when that is too much, the oldest goes."""

    def __init__(self, most: int = MOST_UNREAD) -> None:
        self._most = most
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._ended = False
        self._woken = asyncio.Event()

    def add(self, piece: bytes) -> None:
        """Take what was printed."""
        self._pieces.append(piece)
        self._size += len(piece)
        while self._size > self._most and len(self._pieces) > 1:
            gone = len(self._pieces.popleft())
            self._size -= gone
            self._lost += gone
        self._woken.set()

    def end(self) -> None:
        """Say that nothing more will come."""
        self._ended = True
        self._woken.set()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield each piece once, as it comes, to the end."""
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


class BackgroundService:
    """A command that goes on, for those who started it."""

    def __init__(self, backlog: Backlog, end: Callable[[], Awaitable[int]]) -> None:
        self._backlog = backlog
        self._end = end

    def output(self) -> AsyncIterator[bytes]:
        """Yield what it prints, errors too, as it comes, to its end."""
        return self._backlog.read()

    async def stop(self) -> int:
        """End it and return its exit code; harmless when it has ended already."""
        return await self._end()
