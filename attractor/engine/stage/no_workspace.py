"""The workspace of a run without snapshots: either the project folder, or no files."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NoReturn

from attractor.base.errors import UsageError
from attractor.base.processes import ExecResult, OnOutput
from attractor.engine.seams import PATCH_LIMIT, Base
from attractor.engine.state.attempts import TreeId
from attractor.environments.environment import (
    DirEntry,
    ExecutionEnvironment,
    GrepOptions,
    Promises,
    RunningCommand,
)

_NOWHERE = Base("", "", "")


class NoEnvironment:
    """An environment without files and commands."""

    async def initialize(self) -> None:
        """Do nothing."""

    async def cleanup(self) -> None:
        """Do nothing."""

    def working_directory(self) -> str:
        """Refuse: there is no folder."""
        _refuse()

    def platform(self) -> str:
        """Refuse: there is no system."""
        _refuse()

    def os_version(self) -> str:
        """Refuse: there is no system."""
        _refuse()

    def promises(self) -> Promises:
        """Return no promises."""
        return Promises()

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Refuse: there are no files."""
        _refuse()

    async def read_bytes(self, path: str, *, limit: int) -> bytes:
        """Refuse: there are no files."""
        _refuse()

    async def write_file(
        self, path: str, content: str | bytes, *, permissions_of: str = ""
    ) -> None:
        """Refuse: there are no files."""
        _refuse()

    async def delete_file(self, path: str) -> None:
        """Refuse: there are no files."""
        _refuse()

    async def file_exists(self, path: str) -> bool:
        """Refuse: there are no files."""
        _refuse()

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Refuse: there are no files."""
        _refuse()

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Refuse: there are no files."""
        _refuse()

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Refuse: there are no files."""
        _refuse()

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
        """Refuse: there are no commands."""
        _refuse()

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> RunningCommand:
        """Refuse: there are no commands."""
        _refuse()

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Refuse: there is no network."""
        _refuse()

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Refuse: there is no network."""
        _refuse()


class NoWorkspace:
    """A workspace without snapshots, with or without an environment.

    `another` makes a further environment in the same place, because each branch opens and closes
    its own environment.
    """

    def __init__(
        self,
        environment: ExecutionEnvironment | None = None,
        *,
        another: Callable[[], ExecutionEnvironment] | None = None,
    ) -> None:
        self._environment = environment or (another or NoEnvironment)()
        self._another = another

    @property
    def base(self) -> Base:
        """An empty base."""
        return _NOWHERE

    @property
    def sets_back(self) -> bool:
        """False: there are no trees."""
        return False

    @property
    def environment(self) -> ExecutionEnvironment:
        """The environment of the run, or an environment without files and commands."""
        return self._environment

    async def snapshot(self, subject: str) -> TreeId:
        """Return no tree."""
        return ""

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        """Change nothing."""

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        """Return no path."""
        return ()

    async def patch(self, since: TreeId, until: TreeId, *, most: int = PATCH_LIMIT) -> str:
        """Return no patch."""
        return ""

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        """Return no patch."""
        return b""

    async def export(self, tree: TreeId, to: Path, *, repository: bool = False) -> None:
        """Refuse: there are no trees."""
        raise UsageError("this run takes no snapshots", hint="run it with --workspace isolated")

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "NoWorkspace":
        """Return a workspace in the same place."""
        return NoWorkspace(another=self._another) if self._another else self

    async def discard(self, name: str) -> None:
        """Do nothing."""

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        """Change nothing."""
        return ()

    async def close(self) -> None:
        """Do nothing."""


def _refuse() -> NoReturn:
    raise UsageError(
        "this run has no environment",
        hint="run it with --workspace isolated or in-place",
    )
