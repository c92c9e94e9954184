"""The preparation of workspaces: carried files and a setup."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject, canonical_json, content_hash
from attractor.base.records import write_fields
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import text_of

_TIME_LIMIT = timedelta(minutes=30)


PYTHON_CACHE = "__pycache__"
"""A folder to which Python writes whenever a person uses the project."""


@dataclass(frozen=True)
class Preparation:
    """The preparation of a workspace before its first stage.

    `setup` is a shell command. `setup_files` are patterns (as in `.gitignore`) of files on which
    the setup depends: if these files change, the setup runs again. `carry` are ignored paths to
    copy from the project; `carry_read_only` are ignored paths that tools can read without a copy.
    """

    setup: str = ""
    setup_files: tuple[str, ...] = ()
    carry: tuple[str, ...] = ()
    carry_read_only: tuple[str, ...] = ()
    setup_timeout: timedelta = _TIME_LIMIT

    @property
    def copying(self) -> "Preparation":
        """The same preparation with copies of read-only paths, for environments without mounts."""
        return replace(self, carry=(*self.carry, *self.carry_read_only), carry_read_only=())

    @property
    def copied_paths(self) -> tuple[str, ...]:
        """The paths to copy, without final slashes."""
        return _plain(self.carry)

    @property
    def shown_paths(self) -> tuple[str, ...]:
        """The read-only paths, without final slashes."""
        return _plain(self.carry_read_only)

    @property
    def carried_paths(self) -> tuple[str, ...]:
        """The copied and the read-only paths, each once."""
        return tuple(dict.fromkeys((*self.copied_paths, *self.shown_paths)))


def _plain(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(PurePosixPath(path)) for path in paths)


NO_PREPARATION = Preparation()


@dataclass(frozen=True)
class SetupRun:
    """A setup that ran in a fork, or in the first dimension (`fork` is empty)."""

    fork: str
    command: str
    exit_code: int
    seconds: float
    output: str
    timed_out: bool = False


OnSetup = Callable[[SetupRun], None]
"""Callback for each setup that ran, including failed setups."""


class SetupOutcome(StrEnum):
    """The outcome of a setup."""

    NONE = "none"
    RUN = "run"
    KEPT = "kept"
    DONE = "done"


@dataclass(frozen=True)
class PreparationResult:
    """The results of a preparation.

    `kept`: the setup ran for another workspace, and the created files were copied. `done`: the
    setup ran earlier for this workspace. `lacking` are paths that are missing in the project.
    `made` are paths that the setup created. `undone` are files of the tree that the setup changed,
    and that were restored.
    """

    carried: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    setup: SetupOutcome = SetupOutcome.NONE
    made: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    output: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class PreparedState:
    """The recorded preparation of a folder: setup key, carried paths and created paths."""

    key: str
    carried: tuple[str, ...]
    made: tuple[str, ...]

    def to_record(self) -> JsonObject:
        """Convert to JSON."""
        return {"format": 1, **write_fields(self)}


def prepared_state_from_record(record: Json) -> PreparedState | None:
    """Read the record; return None for an unknown format, so that the preparation is repeated."""
    match record:
        case {"format": 1, "key": str(key), "carried": [*carried], "made": [*made]}:
            return PreparedState(key, tuple(map(str, carried)), tuple(map(str, made)))
        case _:
            return None


async def setup_key(
    store: ObjectStore, tree: TreeId, wanted: Preparation, *, place: Mapping[str, str]
) -> str:
    """Return the cache key of a setup; "" if no setup is configured.

    `place` describes the environment: created files may contain the path of the folder.
    """
    if not wanted.setup:
        return ""
    files: Json = tree
    if wanted.setup_files:
        files = await _files(store, tree, wanted.setup_files)
    record: JsonObject = {"setup": wanted.setup, "files": files, "place": dict(place)}
    return content_hash(canonical_json(record).encode())


async def _files(store: ObjectStore, tree: TreeId, patterns: Sequence[str]) -> dict[str, Json]:
    """Return the files of a tree that a setup depends on."""
    files = await store.files_of(tree)
    named: dict[str, Json] = {}
    for pattern in patterns:
        rules = IgnoreRules({}, [pattern])
        found = {text_of(path): files[path].id.hex() for path in files if rules.ignores_file(path)}
        if not found:
            raise UsageError(
                f"no file of the project matches {pattern!r} in setup_files",
                hint="write a pattern as in .gitignore, and commit the file",
            )
        named |= found
    return named
