"""Makes a workspace of a folder where it stands: outside git, or because somebody asked for it."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from attractor.base.atomic_files import file_trouble
from attractor.engine.seams import Base
from attractor.workspaces import stat_cache
from attractor.workspaces.dimension import Dimension, MakeEnvironment, OnSnapshot
from attractor.workspaces.dot_git import is_dot_git
from attractor.workspaces.ignores import IgnoreRules
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.index import Index
from attractor.workspaces.opening import open_again, unheard
from attractor.workspaces.record import Record, write_record
from attractor.workspaces.snapshot import Rules, take_snapshot
from attractor.workspaces.stores import make_store

KEPT_OUT = ("/runs/",)
"""What no snapshot holds and no restore touches: the records of the run itself."""


async def make_in_place(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = unheard,
    kept_out: Sequence[str] = KEPT_OUT,
) -> Dimension:
    """Make a workspace of a folder as it is; its base has a tree, and no commit."""
    store = await make_store(state, run_id, search_path=search_path)
    rules = Rules(await in_thread(partial(_read_ignores, folder, kept_out)))
    first = await in_thread(
        partial(
            take_snapshot,
            folder,
            store.objects,
            rules,
            cache={},
            now_ns=stat_cache.time_there(folder, store.folder),
        )
    )
    store.objects.sync()
    Index(store.folder).know(first.cache)
    base = Base("", first.tree, first.tree)
    record = Record(folder.absolute(), base, (), tuple(kept_out), store.object_format)
    write_record(store.folder, record)
    return await open_again(
        state=state,
        run_id=run_id,
        search_path=search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )


def _read_ignores(folder: Path, kept_out: Sequence[str]) -> IgnoreRules:
    """Read the ignore files of a folder, but for those in folders that are ignored themselves."""
    files: dict[bytes, bytes] = {}
    rules = IgnoreRules(files, kept_out)
    waiting = [b""]
    while waiting:
        at = waiting.pop()
        try:
            text = _ignore_file(folder, at)
            if text is not None:
                files[at] = text
                rules = IgnoreRules(files, kept_out)
            below = list(_folders_in(folder, at))
        except OSError as cause:
            raise file_trouble("read", folder / os.fsdecode(at), cause) from cause
        waiting += [path + b"/" for path in below if not rules.ignores(path, is_folder=True)]
    return rules


def _ignore_file(folder: Path, at: bytes) -> bytes | None:
    file = folder / os.fsdecode(at) / ".gitignore"
    return file.read_bytes() if file.is_file() and not file.is_symlink() else None


def _folders_in(folder: Path, at: bytes) -> Iterator[bytes]:
    with os.scandir(folder / os.fsdecode(at)) as found:
        for one in found:
            name = os.fsencode(one.name)
            if one.is_dir(follow_symlinks=False) and not is_dot_git(name):
                yield at + name
