"""The index of a dimension in the run's store, and the folders of forks."""

import hashlib
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from attractor.base.errors import NotCanonical
from attractor.base.files import file_error, make_private_folder, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.engine.state.attempts import TreeId
from attractor.workspaces import stat_cache
from attractor.workspaces.errors import RecordBroken
from attractor.workspaces.export import write_out
from attractor.workspaces.files import in_thread
from attractor.workspaces.folders import remove_folder
from attractor.workspaces.git.commits import Author, create_agent_repository
from attractor.workspaces.git.materials import Materials
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.setup.preparation import PreparedState, prepared_state_from_record
from attractor.workspaces.stat_cache import StatCache, filesystem_time

MAIN = ""
"""The name of the first dimension of a run; all others are forks."""

_FOLDER = "dimensions"


class DimensionIndex:
    """The entries of a dimension in a store: folder, stat cache, preparation and ref."""

    def __init__(self, store: Path, name: str = MAIN) -> None:
        self.name = name
        # A name may contain any character and have any length.
        encoded = name.encode("utf-8", "surrogatepass")
        key = "main" if name == MAIN else hashlib.sha256(encoded).hexdigest()[:32]
        self._stats = store / _FOLDER / f"{key}.stats"
        self._record = store / _FOLDER / f"{key}.json"
        self._ready = store / _FOLDER / f"{key}.ready"
        self._ref = store / "refs" / "attractor" / "dimension" / key

    def stat_cache(self) -> StatCache:
        """Return the stat cache of the folder."""
        return stat_cache.load(self._stats)

    def save_stat_cache(self, cache: StatCache) -> None:
        """Save the stat cache of the folder."""
        make_private_folder(self._stats.parent)
        stat_cache.save(cache, self._stats)

    def set_ref(self, tree: str) -> None:
        """Point the ref at the last tree, which protects it from garbage collection."""
        make_private_folder(self._ref.parent)
        write_whole(self._ref, f"{tree}\n", sync=False, mode=0o600)

    def folder(self) -> Path | None:
        """Return the folder of a fork, if it was created."""
        return _read_folder(self._record)

    def record_folder(self, folder: Path) -> None:
        """Record the folder of a fork, which is complete from now on."""
        make_private_folder(self._record.parent)
        shown = self.name.encode("utf-8", "backslashreplace").decode()
        record = {"format": 1, "name": shown, "folder": str(folder)}
        write_whole(self._record, canonical_json(record), mode=0o600)

    def prepared_state(self) -> PreparedState | None:
        """Return the recorded preparation of the folder, if any."""
        with suppress(OSError, NotCanonical):
            return prepared_state_from_record(parse_json(self._ready.read_bytes()))
        return None

    def keep_prepared_state(self, prepared_state: PreparedState) -> None:
        """Record the preparation of the folder."""
        make_private_folder(self._ready.parent)
        write_whole(self._ready, canonical_json(prepared_state.to_record()), mode=0o600)

    def forget(self) -> None:
        """Remove all entries but the ref, which keeps the last tree."""
        for path in (self._record, self._ready, self._stats):
            try:
                path.unlink(missing_ok=True)
            except OSError as cause:
                raise file_error("remove", path, cause) from cause


def fork_folders(store: Path) -> Collection[Path]:
    """Return the folders of the forks in a store."""
    folders = map(_read_folder, (store / _FOLDER).glob("*.json"))
    return [folder for folder in folders if folder is not None]


def _read_folder(path: Path) -> Path | None:
    try:
        record = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    except NotCanonical as cause:
        raise RecordBroken(f"corrupt record {path}: {cause}") from cause
    match record:
        case {"format": 1, "folder": str(folder)}:
            return Path(folder)
        case _:
            raise RecordBroken(f"unknown format of record {path}")


_NAME, _EMAIL = "Attractor", "attractor@localhost"


def find_fork(index: DimensionIndex) -> Path | None:
    """Return the folder of a fork, if it exists."""
    folder = index.folder()
    return folder if folder is not None and folder.is_dir() else None


async def fill_fork(
    store: ObjectStore, index: DimensionIndex, folder: Path, *, tree: TreeId, materials: Materials
) -> None:
    """Write a tree into an empty folder, with a git repository for agents."""
    # Entries of an earlier folder with this name are obsolete.
    index.forget()
    files = materials.added_to(await store.files_of(tree))
    written = await write_out(store, files, folder)
    await create_agent_repository(folder, store, files, _author(folder, store))
    index.save_stat_cache(written)
    index.set_ref(tree)


async def discard_fork(index: DimensionIndex) -> None:
    """Remove the folder of a fork, if it exists."""
    folder = index.folder()
    # The record goes first: an unrecorded folder is removed by the next run.
    index.forget()
    if folder is not None:
        await in_thread(partial(remove_folder, folder))


def _author(folder: Path, store: ObjectStore) -> Author:
    seconds = filesystem_time(folder, store.folder) / 1_000_000_000
    return Author(_NAME, _EMAIL, datetime.fromtimestamp(seconds, UTC))
