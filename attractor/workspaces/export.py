"""Writes the files of a tree into a folder."""

from functools import partial
from pathlib import Path

from attractor.base.files import file_error
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.errors import FolderInUse
from attractor.workspaces.files import write_files
from attractor.workspaces.git.materials import Materials
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.trees import LINK, SUBMODULE, FlatTree
from attractor.workspaces.stat_cache import StatCache, cached_file, filesystem_time


async def export_tree(store: ObjectStore, tree: TreeId, to: Path, materials: Materials) -> None:
    """Write the files and materials of a tree into a new or empty folder."""
    make_folder(to)
    if any(to.iterdir()):
        raise FolderInUse(f"{to} is not empty")
    await write_out(store, materials.added_to(await store.files_of(tree)), to)


async def write_out(store: ObjectStore, files: FlatTree, folder: Path) -> StatCache:
    """Write files into a folder, and return their stat cache."""
    entries = [(path, entry) for path, entry in files.items() if entry.mode != SUBMODULE]
    written = await store.with_blobs(
        [entry.id for _, entry in entries], partial(write_files, folder, entries)
    )
    now_ns = filesystem_time(folder, store.folder)
    return {
        path: cached_file(written[path], now_ns, entry.id)
        for path, entry in entries
        if entry.mode != LINK
    }


def make_folder(folder: Path) -> None:
    """Create a folder, if missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("create", folder, cause) from cause
