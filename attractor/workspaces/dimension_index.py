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
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces import stat_cache
from attractor.workspaces.errors import RecordBroken
from attractor.workspaces.export import write_out
from attractor.workspaces.files import in_thread
from attractor.workspaces.folders import remove_folder
from attractor.workspaces.git.commits import Author, plant_git
from attractor.workspaces.git.materials import Materials
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.setup.preparation import Readiness, readiness_from_record
from attractor.workspaces.stat_cache import StatCache, time_there

MAIN = ""
"""The name of the dimension that a run begins with; each other is a fork."""

_FOLDER = "dimensions"


class Index:
    """The entries of one dimension in a store; where a fork's folder lies is one of them."""

    def __init__(self, store: Path, name: str = MAIN) -> None:
        self.name = name
        # A name may have any letter in it, and any length.
        encoded = name.encode("utf-8", "surrogatepass")
        key = "main" if name == MAIN else hashlib.sha256(encoded).hexdigest()[:32]
        self._stats = store / _FOLDER / f"{key}.stats"
        self._record = store / _FOLDER / f"{key}.json"
        self._ready = store / _FOLDER / f"{key}.ready"
        self._ref = store / "refs" / "attractor" / "dimension" / key

    def known(self) -> StatCache:
        """Return what is known of the files since they were read last."""
        return stat_cache.load(self._stats)

    def know(self, cache: StatCache) -> None:
        """Write down what is known of the files."""
        make_private_folder(self._stats.parent)
        stat_cache.save(cache, self._stats)

    def point_at(self, tree: str) -> None:
        """Let a ref keep the tree that was taken last."""
        make_private_folder(self._ref.parent)
        write_whole(self._ref, f"{tree}\n", sync=False, mode=0o600)

    def folder(self) -> Path | None:
        """Return where a fork's folder lies, if it was made."""
        return _read(self._record)

    def keep_folder(self, folder: Path) -> None:
        """Write down where a fork's folder lies: from now on it is whole."""
        make_private_folder(self._record.parent)
        shown = self.name.encode("utf-8", "backslashreplace").decode()
        told = {"format": 1, "name": shown, "folder": str(folder)}
        write_whole(self._record, canonical_json(told), mode=0o600)

    def readiness(self) -> Readiness | None:
        """Return what was done to make the folder fit to work in, if it was."""
        with suppress(OSError, NotCanonical):
            return readiness_from_record(parse_json(self._ready.read_bytes()))
        return None

    def keep_readiness(self, readiness: Readiness) -> None:
        """Write down what was done to make the folder fit to work in."""
        make_private_folder(self._ready.parent)
        write_whole(self._ready, canonical_json(readiness.to_record()), mode=0o600)

    def forget(self) -> None:
        """Forget the folder and its files; the ref stays, and keeps the last tree."""
        for path in (self._record, self._ready, self._stats):
            try:
                path.unlink(missing_ok=True)
            except OSError as cause:
                raise file_error("remove", path, cause) from cause


def fork_folders(store: Path) -> Collection[Path]:
    """Return the folders of the forks that a store knows."""
    found = map(_read, (store / _FOLDER).glob("*.json"))
    return [folder for folder in found if folder is not None]


def _read(path: Path) -> Path | None:
    try:
        told = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    except NotCanonical as cause:
        raise RecordBroken(f"{path} cannot be read: {cause}") from cause
    match told:
        case {"format": 1, "folder": str(folder)}:
            return Path(folder)
        case _:
            raise RecordBroken(f"{path} is not what this version of attractor writes")


_NAME, _EMAIL = "Attractor", "attractor@localhost"


def find_fork(index: Index) -> Path | None:
    """Return the folder of a fork, if it was made and is there still."""
    folder = index.folder()
    return folder if folder is not None and folder.is_dir() else None


async def fill_fork(
    store: Store, index: Index, folder: Path, *, tree: TreeId, materials: Materials
) -> None:
    """Make an empty folder hold a tree, with a git for the agents."""
    # What is left of another folder of that name means nothing here.
    index.forget()
    files = materials.laid_into(await store.files_of(tree))
    written = await write_out(store, files, folder)
    await plant_git(folder, store, files, _author(folder, store))
    index.know(written)
    index.point_at(tree)


async def discard_fork(index: Index) -> None:
    """Remove the folder of a fork, if there is one."""
    folder = index.folder()
    # First: a folder that no record names is swept, but a record without a folder means nothing.
    index.forget()
    if folder is not None:
        await in_thread(partial(remove_folder, folder))


def _author(folder: Path, store: Store) -> Author:
    seconds = time_there(folder, store.folder) / 1_000_000_000
    return Author(_NAME, _EMAIL, datetime.fromtimestamp(seconds, UTC))
