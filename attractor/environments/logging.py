"""An environment that logs the operations on another one."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic

from attractor.base.errors import AttractorError
from attractor.base.processes import ExecResult, OnOutput
from attractor.environments.environment import (
    DirEntry,
    ExecutionEnvironment,
    GrepOptions,
    RunningCommand,
)
from attractor.environments.wrappers import EnvironmentWrapper


class LoggingExecutionEnvironment(EnvironmentWrapper):
    """Logs files and commands, with duration, exit status and errors, and passes every call on.

    `log` is called with each line, such as the `info` of a logger. The content of files, the output
    of commands and the values of variables are not logged; commands are logged as they are.
    """

    def __init__(self, inner: ExecutionEnvironment, log: Callable[[str], object]) -> None:
        super().__init__(inner)
        self._log = log

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return the text of a file, or some lines of the text."""
        with self._logged(f"read {path}"):
            return await super().read_file(path, offset=offset, limit=limit)

    async def read_bytes(self, path: str, *, limit: int) -> bytes:
        """Return the first bytes of a file."""
        with self._logged(f"read {path}"):
            return await super().read_bytes(path, limit=limit)

    async def write_file(
        self, path: str, content: str | bytes, *, permissions_of: str = ""
    ) -> None:
        """Write a file, and create missing parent folders."""
        with self._logged(f"write {path}"):
            await super().write_file(path, content, permissions_of=permissions_of)

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        with self._logged(f"delete {path}"):
            await super().delete_file(path)

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the entries of a folder."""
        with self._logged(f"list {path}"):
            return await super().list_directory(path, depth=depth)

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return `file:line:text` for every line that a regular expression matches."""
        with self._logged(f"grep {pattern} in {path}"):
            return await super().grep(pattern, path, options)

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files that match a pattern, newest first."""
        with self._logged(f"glob {pattern} in {path}"):
            return await super().glob(pattern, path)

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
        with self._logged(f"exec {command}") as ending:
            result = await super().exec_command(
                command,
                timeout_ms=timeout_ms,
                working_dir=working_dir,
                env_vars=env_vars,
                stdin=stdin,
                on_output=on_output,
            )
            limit = "time limit, " if result.timed_out else ""
            ending.append(f"{limit}exit status {result.exit_code}")
        return result

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> RunningCommand:
        """Start a background command."""
        with self._logged(f"start {command}"):
            return await super().start_service(command, env_vars=env_vars)

    @contextmanager
    def _logged(self, operation: str) -> Generator[list[str]]:
        """Log the start of an operation, and the end with the words that the block adds."""
        self._log(operation)
        started = monotonic()
        ending: list[str] = []
        words = "interrupted"
        try:
            yield ending
            words = "".join(ending) or "done"
        except AttractorError as error:
            words = f"failed, {error.message}"
            raise
        finally:
            self._log(f"{operation}: {words} ({(monotonic() - started) * 1000:.0f} ms)")
