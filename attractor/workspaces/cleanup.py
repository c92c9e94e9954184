"""Finds and removes the stores, folders and refs of runs.

The record of a run is removed last, so that a later cleanup can finish an interrupted cleanup.
"""

import os
from contextlib import suppress
from dataclasses import field
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import FoundEntry, file_error, remove_file, walk_tree
from attractor.workspaces.caches import cache_folder
from attractor.workspaces.checkouts import RUN_BRANCHES
from attractor.workspaces.create.isolated import BASE_REFS
from attractor.workspaces.folders import remove_folder, workspaces_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import Git
from attractor.workspaces.run_store import RECORD_FILE, STORES, fork_folders, read_record

_BLOCK = 512


@dataclass(frozen=True)
class StoredRun:
    """The store, folders and cache folder of a run, and the repository that the store borrows from.

    The project folder of a run in place is not included.
    """

    run_id: str
    store: Path
    cache: Path
    workspace: Path | None = None
    forks: tuple[Path, ...] = ()
    repository: Path | None = None


@dataclass
class DiskUsage:
    """Measures disk usage; hard links are counted once."""

    _seen: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def of(self, path: Path) -> int:
        """Return the bytes that a file or folder uses on disk."""
        return sum(map(self._size, walk_tree(path)))

    def _size(self, entry: FoundEntry) -> int:
        try:
            status = entry.status()
        except OSError:
            return 0
        key = (status.st_dev, status.st_ino)
        if key in self._seen:
            return 0
        self._seen.add(key)
        return status.st_blocks * _BLOCK


def stored_run_ids(state: Path) -> list[str]:
    """Return the ids of runs with a store, oldest first."""
    try:
        return sorted(store.name for store in (state / STORES).iterdir() if store.is_dir())
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise file_error("look into", state / STORES, cause) from cause


def stored_run(state: Path, run_id: str) -> StoredRun:
    """Return the folders of a run, as recorded in the store of the run."""
    store = state / STORES / run_id
    is_ours = partial(_is_in, workspaces_folder(state))
    record = read_record(store)
    return StoredRun(
        run_id,
        store,
        cache_folder(state, run_id),
        record.folder if record and is_ours(record.folder) else None,
        tuple(filter(is_ours, fork_folders(store))),
        _repository(store),
    )


async def remove_base_ref(repository: Path, run_id: str, *, search_path: str) -> None:
    """Remove the ref that keeps the base commit of a run in a project."""
    await Git(repository, search_path).run("update-ref", "-d", f"{BASE_REFS}{run_id}")


async def has_base_ref(repository: Path, run_id: str, *, search_path: str) -> bool:
    """Return whether a project has a ref to the base commit of a run."""
    git = Git(repository, search_path)
    result = await git.answer("rev-parse", "--verify", "--quiet", f"{BASE_REFS}{run_id}")
    return result.exit_code == 0


@dataclass(frozen=True)
class StoredBranch:
    """The branch of a run; in use, it is checked out, or its last commit is not of the run."""

    name: str
    commit: str
    is_in_use: bool


async def find_run_branch(git: Git, run_id: str) -> StoredBranch | None:
    """Return the branch of a run, or None."""
    name = f"{RUN_BRANCHES}{run_id}"
    wanted = "%(objectname)%00%(worktreepath)%00%(contents:trailers:key=Attractor-Run,valueonly)"
    found = await git.run("for-each-ref", f"--format={wanted}", name)
    if not found:
        return None
    commit, checked_out, made_by = found.split("\0")
    base = await git.answer("rev-parse", "--verify", "--quiet", f"{BASE_REFS}{run_id}")
    is_of_run = made_by.strip() == run_id or commit == base.stdout.strip()
    return StoredBranch(name, commit, bool(checked_out) or not is_of_run)


async def remove_run_branch(git: Git, branch: StoredBranch) -> None:
    """Remove the branch of a run, unless it moved meanwhile."""
    await git.run("update-ref", "-d", branch.name, branch.commit)


async def base_refs(repository: Path, *, search_path: str) -> list[str]:
    """Return the ids of runs whose base commits have refs in a project."""
    refs = await Git(repository, search_path).run(
        "for-each-ref", "--format=%(refname)", BASE_REFS.rstrip("/")
    )
    return [line.removeprefix(BASE_REFS) for line in refs.splitlines()]


async def remove_workspace_folder(folder: Path) -> bool:
    """Remove a workspace folder; return whether the folder is gone."""
    await in_thread(partial(remove_folder, folder))
    return not os.path.lexists(folder)


async def remove_store(store: Path) -> bool:
    """Remove a store, beginning with its record; return whether the store is gone."""
    remove_file(store / RECORD_FILE)
    return await remove_workspace_folder(store)


def _is_in(place: Path, folder: Path) -> bool:
    """Return whether a folder is a direct child of the workspaces folder and not a link."""
    with suppress(OSError):
        return folder.parent.resolve() == place.resolve() and not folder.is_symlink()
    return False


def _repository(store: Path) -> Path | None:
    """Return the Git directory from which a store borrows objects; None if it does not exist."""
    try:
        line = (store / "objects" / "info" / "alternates").read_bytes().rstrip(b"\n")
    except OSError:
        return None
    folder = Path(os.fsdecode(line)).parent
    return folder if (folder / "HEAD").is_file() else None
