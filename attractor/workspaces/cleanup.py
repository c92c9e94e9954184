"""Finds what runs have in the state folder besides records, and frees it.

What tells where the rest lies goes last: a clearing that was killed is taken up by the next one.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import field
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.workspaces.create.isolated import BASE_REFS
from attractor.workspaces.dimension_index import fork_folders
from attractor.workspaces.files import in_thread
from attractor.workspaces.folders import remove_folder, workspaces_of
from attractor.workspaces.git.git import Git
from attractor.workspaces.run_store import RECORD_FILE, STORES, read_record

_BLOCK = 512


@dataclass(frozen=True)
class Holding:
    """What a run has: its store, the folders it works in, and the repository it borrows from.

    A folder of a person's, where a run worked in place, is none of them.
    """

    run_id: str
    store: Path
    workspace: Path | None = None
    forks: tuple[Path, ...] = ()
    repository: Path | None = None


@dataclass
class Sizes:
    """Tells how much room things take; what several of them share is counted once."""

    _seen: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def of(self, path: Path) -> int:
        """Return how many bytes of the disk a file or folder takes."""
        return sum(map(self._one, _below(path)))

    def _one(self, path: Path) -> int:
        try:
            found = path.lstat()
        except OSError:
            return 0
        key = (found.st_dev, found.st_ino)
        if key in self._seen:
            return 0
        self._seen.add(key)
        return found.st_blocks * _BLOCK


def stored_runs(state: Path) -> list[str]:
    """Return the ids of the runs that have a store, the oldest first."""
    try:
        return sorted(one.name for one in (state / STORES).iterdir() if one.is_dir())
    except FileNotFoundError:
        return []
    except OSError as cause:
        raise file_error("look into", state / STORES, cause) from cause


def holding_of(state: Path, run_id: str) -> Holding:
    """Return what a run has, as far as its store says."""
    store = state / STORES / run_id
    is_ours = partial(_is_in, workspaces_of(state))
    record = read_record(store)
    return Holding(
        run_id,
        store,
        record.folder if record and is_ours(record.folder) else None,
        tuple(filter(is_ours, fork_folders(store))),
        _repository(store),
    )


async def free_ref(repository: Path, run_id: str, *, search_path: str) -> None:
    """Let go of what kept a run's base in a project."""
    await Git(repository, search_path).run("update-ref", "-d", f"{BASE_REFS}{run_id}")


async def has_ref(repository: Path, run_id: str, *, search_path: str) -> bool:
    """Tell whether a project keeps a run's base."""
    git = Git(repository, search_path)
    told = await git.answer("rev-parse", "--verify", "--quiet", f"{BASE_REFS}{run_id}")
    return told.exit_code == 0


async def base_refs(repository: Path, *, search_path: str) -> list[str]:
    """Return the ids of the runs whose base a project keeps."""
    told = await Git(repository, search_path).run(
        "for-each-ref", "--format=%(refname)", BASE_REFS.rstrip("/")
    )
    return [line.removeprefix(BASE_REFS) for line in told.splitlines()]


async def free_folder(folder: Path) -> bool:
    """Remove a folder of the workspaces; say whether it is gone."""
    await in_thread(partial(remove_folder, folder))
    return not os.path.lexists(folder)


async def free_store(store: Path) -> bool:
    """Remove a store; say whether it is gone. Without its record it was never finished."""
    try:
        (store / RECORD_FILE).unlink(missing_ok=True)
    except OSError as cause:
        raise file_error("remove", store / RECORD_FILE, cause) from cause
    return await free_folder(store)


def _is_in(place: Path, folder: Path) -> bool:
    """Tell whether a folder is one of the workspaces, and no link to somewhere else."""
    with suppress(OSError):
        return folder.parent.resolve() == place.resolve() and not folder.is_symlink()
    return False


def _repository(store: Path) -> Path | None:
    """Return the git directory that a store borrows from, if it is there."""
    try:
        line = (store / "objects" / "info" / "alternates").read_bytes().rstrip(b"\n")
    except OSError:
        return None
    folder = Path(os.fsdecode(line)).parent
    return folder if (folder / "HEAD").is_file() else None


def _below(path: Path) -> Iterator[Path]:
    yield path
    if path.is_symlink():
        return
    for at, folders, names in os.walk(path):
        yield from (Path(at, name) for name in (*folders, *names))
