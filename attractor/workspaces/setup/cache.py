"""Runs a project's setup in a workspace, and keeps what it made for workspaces to come.

Finds out whether files know where they lie: then they are of no use in another place.

Scripts of a `.venv` do, and so do programs that were built to be run from one folder.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.files import file_error, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.workspaces.errors import SetupFailed
from attractor.workspaces.folders import collect_left_behind, new_folder, remove_folder
from attractor.workspaces.setup.ignored_files import carry, is_there
from attractor.workspaces.setup.preparation import Readiness, readiness_from_record

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
            raise file_error("write into", self._place, cause) from cause

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


_PIECE = 1 << 20


def mention_path(folder: Path, paths: Sequence[str], place: str) -> bool:
    """Tell whether anything at some paths below a folder has a place in it; so has what is unread.

    What a link points to counts, and no link is followed.
    """
    words = tuple({os.fsencode(place), os.fsencode(os.path.realpath(place))})
    return any(_mentions(one, words) for path in paths for one in _below(folder / path))


def _below(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for at, folders, names in os.walk(path):
            yield from (Path(at, name) for name in (*folders, *names))


def _mentions(path: Path, words: Sequence[bytes]) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):  # it went while we looked
        try:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                target = os.fsencode(path.readlink())
                return any(word in target for word in words)
            return stat.S_ISREG(mode) and _file_mentions(path, words)
        except PermissionError:
            return True
    return False


def _file_mentions(path: Path, words: Sequence[bytes]) -> bool:
    # A word may lie across the end of a piece.
    longest = max(map(len, words))
    rest = b""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            piece = rest + piece
            if any(word in piece for word in words):
                return True
            rest = piece[-longest:]
    return False
