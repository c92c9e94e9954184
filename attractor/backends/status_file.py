"""The file that an agent may report in instead of calling the tool (ruling R8).

It lies in a folder of its own, made where the agent's commands run among what is temporary there:
neither in the tree nor in the run directory. It is read by a command too, so a link in its place
leads to nothing but what the agent itself may read.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.errors import InvalidReport
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import NotSupported

VARIABLE = "ATTRACTOR_STATUS_FILE"
LARGEST = 100_000

_MAKE = 'mktemp -d "${TMPDIR:-/tmp}/attractor-report.XXXXXXXX"'
_ABSENT, _NO_FILE = 90, 91
_TAKE = (
    f'[ -e "$file" ] || [ -L "$file" ] || exit {_ABSENT}; '
    f'[ -f "$file" ] || exit {_NO_FILE}; '
    f'head -c {LARGEST + 1} "$file" && rm -f "$file"'
)
_REMOVE = 'rm -rf "$folder"'
_TIMEOUT_MS = 2_000


@dataclass(frozen=True)
class StatusFile:
    """A folder to report in, as commands there see it."""

    folder: str
    environment: ExecutionEnvironment

    @property
    def path(self) -> str:
        """The file itself."""
        return f"{self.folder}/status.json"

    async def take(self) -> str | None:
        """Return what was written there since it was asked last, if something was."""
        result = await self.environment.exec_command(
            _TAKE, timeout_ms=_TIMEOUT_MS, env_vars={"file": self.path}
        )
        if result.exit_code == _ABSENT:
            return None
        if result.exit_code == _NO_FILE:
            raise InvalidReport(f"{self.path} is no file", hint="write one JSON object there")
        if result.timed_out or result.exit_code:
            raise InvalidReport(f"{self.path} cannot be read: {result.stderr.strip()}")
        if len(result.stdout) > LARGEST:
            raise InvalidReport(f"{self.path} is larger than {LARGEST} bytes")
        return result.stdout


@asynccontextmanager
async def status_file_in(
    environment: ExecutionEnvironment, *, warn: Callable[[str], None]
) -> AsyncGenerator[StatusFile | None]:
    """Yield a new place to report in; None where no commands run.

    So it is where nothing can be written; a warning tells of that, and the tool takes reports.
    """
    try:
        result = await environment.exec_command(_MAKE, timeout_ms=_TIMEOUT_MS)
    except NotSupported:
        yield None
        return
    folder = result.stdout.strip()
    if result.exit_code or not folder:
        why = result.stderr.strip() or f"mktemp ended with {result.exit_code}"
        warn(f"{VARIABLE} is not set, for no folder can be made to report in: {why}")
        yield None
        return
    try:
        yield StatusFile(folder, environment)
    finally:
        # One that ended on its own has no folder any more.
        with suppress(AttractorError):
            await environment.exec_command(
                _REMOVE, timeout_ms=_TIMEOUT_MS, env_vars={"folder": folder}
            )
