"""What makes a workspace fit to work in besides its tree: what is carried there, and a setup."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject, canonical_json, content_hash
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.trees import text_of

_FORMAT = 1
_TIME_LIMIT = timedelta(minutes=30)


@dataclass(frozen=True)
class Preparation:
    """What a project wants done before anybody works in a workspace of it.

    `setup` is a shell command. `setup_files` name, in the words of a `.gitignore`, the files that
    it goes by: as long as they are the same it need not be run again. `carry` names paths that git
    ignores, and so does `carry_read_only`: these are not copied, but shown where tools run.
    """

    setup: str = ""
    setup_files: tuple[str, ...] = ()
    carry: tuple[str, ...] = ()
    carry_read_only: tuple[str, ...] = ()
    setup_timeout: timedelta = _TIME_LIMIT

    @property
    def copying(self) -> "Preparation":
        """The same where nothing can be shown: what is read-only elsewhere is copied."""
        return replace(self, carry=(*self.carry, *self.carry_read_only), carry_read_only=())

    @property
    def copied_paths(self) -> tuple[str, ...]:
        """What is carried, without slashes at the end."""
        return _plain(self.carry)

    @property
    def shown_paths(self) -> tuple[str, ...]:
        """What is shown read-only, without slashes at the end."""
        return _plain(self.carry_read_only)


def _plain(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(PurePosixPath(path)) for path in paths)


NO_PREPARATION = Preparation()


@dataclass(frozen=True)
class SetupRun:
    """A setup that was run in the folder of a fork, or in that of the run, which has no name."""

    fork: str
    command: str
    exit_code: int
    seconds: float
    output: str
    timed_out: bool = False


OnSetup = Callable[[SetupRun], None]
"""Is told of each setup that was run, also of one that failed."""


class SetupWas(StrEnum):
    """What became of a setup."""

    NONE = "none"
    RUN = "run"
    KEPT = "kept"
    DONE = "done"


@dataclass(frozen=True)
class Prepared:
    """What was done to make a workspace fit; what was carried and what a setup made lies there.

    A setup that was `kept` was run for another workspace, and one that was `done` for this one
    before. What is `read_only` shows there. `lacking` was to be brought along and is not in the
    project. `undone` are files of the tree that the setup changed: they are as before.
    """

    carried: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    setup: SetupWas = SetupWas.NONE
    made: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    output: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Readiness:
    """What stands in a store of a folder that was made fit: by which key, and what lies there."""

    key: str
    carried: tuple[str, ...]
    made: tuple[str, ...]

    def to_record(self) -> JsonObject:
        """Return it as it is written down."""
        return {
            "format": _FORMAT,
            "key": self.key,
            "carried": list(self.carried),
            "made": list(self.made),
        }


def readiness_from_record(told: Json) -> Readiness | None:
    """Read it back; what this version does not write means nothing, and the work is done again."""
    match told:
        case {"format": 1, "key": str(key), "carried": [*carried], "made": [*made]}:
            return Readiness(key, tuple(map(str, carried)), tuple(map(str, made)))
        case _:
            return None


async def setup_key(
    store: Store, tree: TreeId, wanted: Preparation, *, place: Mapping[str, str]
) -> str:
    """Return what tells whether a setup comes to the same; nothing when there is none.

    `place` says by what rules it runs: what it makes may have the path of the folder in it.
    """
    if not wanted.setup:
        return ""
    files: Json = tree
    if wanted.setup_files:
        files = await _files(store, tree, wanted.setup_files)
    told: JsonObject = {"setup": wanted.setup, "files": files, "place": dict(place)}
    return content_hash(canonical_json(told).encode())


async def _files(store: Store, tree: TreeId, patterns: Sequence[str]) -> dict[str, Json]:
    """Return the files of a tree that a setup goes by."""
    files = await store.files_of(tree)
    named: dict[str, Json] = {}
    for pattern in patterns:
        rules = IgnoreRules({}, [pattern])
        found = {text_of(path): one.id.hex() for path, one in files.items() if rules.hides(path)}
        if not found:
            raise UsageError(
                f"setup_files names {pattern!r}, and no file of the project goes by that",
                hint="write it as in a .gitignore, and commit the file",
            )
        named |= found
    return named
