"""Fills the folder that a fork works in, finds it again, and removes it."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from attractor.engine.interfaces import TreeId
from attractor.workspaces.agent_git import plant_git
from attractor.workspaces.commits import Author
from attractor.workspaces.held_folders import remove_folder
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.index import Index
from attractor.workspaces.materials import Materials
from attractor.workspaces.stat_cache import time_there
from attractor.workspaces.store import Store
from attractor.workspaces.writing_out import write_out

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
