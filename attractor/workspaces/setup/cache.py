"""Runs the setup of a project, and caches the files it creates for later workspaces."""

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
from attractor.workspaces.folders import new_folder, remove_abandoned_folders, remove_folder
from attractor.workspaces.setup.ignored_files import carry, exists_without_links
from attractor.workspaces.setup.preparation import PreparedState, prepared_state_from_record

_SETUPS = "setups"
_FILES = "files"
_RECORD = "setup.json"
_SHOWN = 2000
_NO_SUCH_COMMAND = 127


async def run_setup(
    environment: ExecutionEnvironment, command: str, limit: timedelta
) -> ExecResult:
    """Run a setup in an environment."""
    try:
        await environment.initialize()
        milliseconds = round(limit.total_seconds() * 1000)
        return await environment.exec_command(command, timeout_ms=milliseconds)
    finally:
        await environment.cleanup()


def require_success(result: ExecResult, command: str, limit: timedelta) -> None:
    """Raise an error if a setup failed."""
    if result.timed_out:
        raise SetupFailed(f"the setup {command!r} exceeded {limit}:\n{_end_of(result)}")
    if result.exit_code == _NO_SUCH_COMMAND:
        raise SetupFailed(
            f"command not found in the setup {command!r}:\n{_end_of(result)}",
            hint="install it where the sandbox can see it, such as /usr/bin",
        )
    if result.exit_code:
        raise SetupFailed(
            f"the setup {command!r} failed with exit status {result.exit_code}:\n{_end_of(result)}"
        )


def _end_of(result: ExecResult) -> str:
    return result.output[-_SHOWN:].strip() or "no output"


@dataclass(frozen=True)
class SetupCache:
    """The files that setups created, by key, in the state folder."""

    state: Path

    def restore(self, key: str, folder: Path) -> PreparedState | None:
        """Copy the files of a setup into a folder; return None if they are not cached."""
        place = self._place / key
        prepared_state = _read_complete(place)
        if prepared_state is not None:
            carry(place / _FILES, prepared_state.made, folder)
        return prepared_state

    def save(self, prepared_state: PreparedState, folder: Path) -> None:
        """Copy the files of a setup from a folder, completely or not at all."""
        try:
            self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_abandoned_folders(self._place, lambda: ())
            with new_folder(self._place) as new:
                (new / _FILES).mkdir()
                carry(folder, prepared_state.made, new / _FILES)
                write_whole(new / _RECORD, canonical_json(prepared_state.to_record()))
                self._put(new, self._place / prepared_state.key)
        except OSError as cause:
            raise file_error("write into", self._place, cause) from cause

    @property
    def _place(self) -> Path:
        return self.state / _SETUPS

    def _put(self, new: Path, place: Path) -> None:
        """Rename an entry to its key; a complete entry stays, since others may be copying it."""
        if place.exists() and _read_complete(place) is None:
            remove_folder(place)
        try:
            new.rename(place)
        except OSError:
            if not place.exists():
                raise
            remove_folder(new)


def _read_complete(place: Path) -> PreparedState | None:
    """Return a cache entry, if it is complete."""
    with suppress(OSError, NotCanonical):
        prepared_state = prepared_state_from_record(parse_json((place / _RECORD).read_bytes()))
        if prepared_state and all(
            exists_without_links(place / _FILES, one) for one in prepared_state.made
        ):
            return prepared_state
    return None


_PIECE = 1 << 20


def mentions_path(folder: Path, paths: Sequence[str], place: str) -> bool:
    """Return whether files or links contain a path, so that they cannot be moved.

    Scripts of a `.venv` do, for example. Unreadable files count; links are not followed.
    """
    words = tuple({os.fsencode(place), os.fsencode(os.path.realpath(place))})
    return any(_mentions(one, words) for path in paths for one in _below(folder / path))


def _below(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for at, folders, names in os.walk(path):
            yield from (Path(at, name) for name in (*folders, *names))


def _mentions(path: Path, words: Sequence[bytes]) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):  # removed meanwhile
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
    # A path may cross the end of a piece.
    longest = max(map(len, words))
    rest = b""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            piece = rest + piece
            if any(word in piece for word in words):
                return True
            rest = piece[-longest:]
    return False
