"""Runs a project's setup in a workspace, and keeps what it made for workspaces to come."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.files import file_trouble, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.workspaces.carrying import carry, is_there
from attractor.workspaces.errors import SetupFailed
from attractor.workspaces.held_folders import collect_left_behind, new_folder, remove_folder
from attractor.workspaces.preparation import Readiness, readiness_from_record

_SETUPS = "setups"
_FILES = "files"
_RECORD = "setup.json"
_SHOWN = 2000
_NO_SUCH_COMMAND = 127


async def run_setup(
    environment: ExecutionEnvironment, command: str, limit: timedelta
) -> ExecResult:
    """Run a setup to its end in an environment of its own."""
    try:
        await environment.initialize()
        milliseconds = round(limit.total_seconds() * 1000)
        return await environment.exec_command(command, timeout_ms=milliseconds)
    finally:
        await environment.cleanup()


def require_done(result: ExecResult, command: str, limit: timedelta) -> None:
    """Refuse a setup that did not come to its end."""
    if result.timed_out:
        raise SetupFailed(f"the setup {command!r} took over {limit}:\n{_end_of(result)}")
    if result.exit_code == _NO_SUCH_COMMAND:
        raise SetupFailed(
            f"the setup {command!r} found no such command:\n{_end_of(result)}",
            hint="install it where the sandbox shows it, such as in /usr/bin",
        )
    if result.exit_code:
        raise SetupFailed(
            f"the setup {command!r} ended with {result.exit_code}:\n{_end_of(result)}"
        )


def _end_of(result: ExecResult) -> str:
    return result.output[-_SHOWN:].strip() or "it printed nothing"


@dataclass(frozen=True)
class Setups:
    """What setups made, under the state folder, each by its key."""

    state: Path

    def take(self, key: str, folder: Path) -> Readiness | None:
        """Copy what a setup made into a folder; None when it is not kept."""
        place = self._place / key
        readiness = _read_whole(place)
        if readiness is not None:
            carry(place / _FILES, readiness.made, folder)
        return readiness

    def keep(self, readiness: Readiness, folder: Path) -> None:
        """Copy what a setup made out of a folder, whole or not at all."""
        try:
            self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
            collect_left_behind(self._place, lambda: ())
            with new_folder(self._place) as new:
                (new / _FILES).mkdir()
                carry(folder, readiness.made, new / _FILES)
                write_whole(new / _RECORD, canonical_json(readiness.to_record()))
                self._put(new, self._place / readiness.key)
        except OSError as cause:
            raise file_trouble("write into", self._place, cause) from cause

    @property
    def _place(self) -> Path:
        return self.state / _SETUPS

    def _put(self, new: Path, place: Path) -> None:
        """Put what was made in its place; what is there whole stays: others may be copying it."""
        if place.exists() and _read_whole(place) is None:
            remove_folder(place)
        try:
            new.rename(place)
        except OSError:
            if not place.exists():
                raise
            remove_folder(new)


def _read_whole(place: Path) -> Readiness | None:
    """Return what lies at a place, if all of it does."""
    with suppress(OSError, NotCanonical):
        readiness = readiness_from_record(parse_json((place / _RECORD).read_bytes()))
        if readiness and all(is_there(place / _FILES, one) for one in readiness.made):
            return readiness
    return None
