"""Writes the files of a tree into a folder."""

from functools import partial
from pathlib import Path

from attractor.base.files import file_error
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces.errors import FolderInUse
from attractor.workspaces.files import write_files
from attractor.workspaces.git.materials import Materials
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.trees import LINK, SUBMODULE, FlatTree
from attractor.workspaces.stat_cache import StatCache, seen, time_there


async def export_tree(store: Store, tree: TreeId, to: Path, materials: Materials) -> None:
    """Write a tree's files, and what belongs beside them, into a new or empty folder."""
    make_folder(to)
    if any(to.iterdir()):
        raise FolderInUse(f"{to} is not empty")
    await write_out(store, materials.laid_into(await store.files_of(tree)), to)


async def write_out(store: Store, shown: FlatTree, folder: Path) -> StatCache:
    """Write files into a folder, and return what is then known of them."""
    files = [(path, entry) for path, entry in shown.items() if entry.mode != SUBMODULE]
    written = await store.with_blobs(
        [entry.id for _, entry in files], partial(write_files, folder, files)
    )
    now_ns = time_there(folder, store.folder)
    return {
        path: seen(written[path], now_ns, entry.id) for path, entry in files if entry.mode != LINK
    }


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("create", folder, cause) from cause
