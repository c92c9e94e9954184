"""Makes the workspace of a run from a copy of a folder, where no git keeps its files.

Folders of a person that are in no git repository: what they ignore, and how large they are.

Makes a workspace of a folder where it stands: outside git, or because somebody asked for it.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from attractor.base.files import file_trouble
from attractor.engine.seams import Base
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces import snapshot as stat_cache
from attractor.workspaces.create.isolated import open_again, unheard
from attractor.workspaces.dimension import Dimension, MakeEnvironment, OnSnapshot
from attractor.workspaces.dimension_index import Index, Record, make_store, write_record
from attractor.workspaces.errors import FolderTooLarge
from attractor.workspaces.files import in_thread
from attractor.workspaces.folders import make_place, new_folder
from attractor.workspaces.git.commits import Author, plant_git
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.large_files import untold
from attractor.workspaces.git.object_store import Store, share_objects
from attractor.workspaces.git.repository import is_dot_git
from attractor.workspaces.result_tree import LEFT_OUT
from attractor.workspaces.snapshot import Rules, Skipped, Snapshot, take_snapshot, write_out

MOST_FILES = 100_000
MOST_BYTES = 2 << 30
"""More of a folder is not copied: somebody may stand in a folder with all that they have."""


def read_ignores(
    folder: Path,
    kept_out: Sequence[str],
    *,
    most_files: int | None = None,
    most_bytes: int | None = None,
) -> IgnoreRules:
    """Read the ignore files of a folder, but for those in folders that are ignored themselves.

    One with more files, or larger ones, than it may have is refused as soon as that is known.
    """
    walk = _Walk(folder, kept_out)
    for files, size in walk.sizes():
        if most_files is not None and files > most_files:
            raise FolderTooLarge(f"{folder} has more than {most_files:,} files")
        if most_bytes is not None and size > most_bytes:
            raise FolderTooLarge(f"the files in {folder} are larger than {_shown(most_bytes)}")
    return walk.rules


class _Walk:
    """One walk over a folder: the rules as far as they are known."""

    def __init__(self, folder: Path, kept_out: Sequence[str]) -> None:
        self._folder, self._kept_out = folder, kept_out
        self._files: dict[bytes, bytes] = {}
        self.rules = IgnoreRules(self._files, kept_out)

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield after each folder how many files there are so far, and how large they all are."""
        files = size = 0
        waiting = [b""]
        while waiting:
            at = waiting.pop()
            try:
                self._read(at)
                for path, told in _listed(self._folder, at):
                    is_folder = stat.S_ISDIR(told.st_mode)
                    if self.rules.ignores(path, is_folder=is_folder):
                        continue
                    if is_folder:
                        waiting.append(path + b"/")
                    else:
                        files, size = files + 1, size + told.st_size
            except OSError as cause:
                raise file_trouble("read", self._folder / os.fsdecode(at), cause) from cause
            yield files, size

    def _read(self, at: bytes) -> None:
        file = self._folder / os.fsdecode(at) / ".gitignore"
        if file.is_file() and not file.is_symlink():
            self._files[at] = file.read_bytes()
            self.rules = IgnoreRules(self._files, self._kept_out)


def _listed(folder: Path, at: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield what lies in a folder; of one that may not be read the snapshot tells."""
    try:
        found = os.scandir(folder / os.fsdecode(at))
    except PermissionError:
        return
    with found:
        for one in found:
            name = os.fsencode(one.name)
            if is_dot_git(name):
                continue
            try:
                yield at + name, one.stat(follow_symlinks=False)
            except FileNotFoundError:  # it went while we looked
                continue


def _shown(size: int) -> str:
    return f"{size >> 30} GiB" if size >= 1 << 30 else f"{size:,} bytes"


_SHOWN = 5


async def make_copied(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    author: Author,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = unheard,
    kept_out: Sequence[str] = (),
    tell: Callable[[str], None] = untold,
) -> Dimension:
    """Make a workspace with what a folder holds now; its base has a tree, and no commit.

    What is ignored there, and what is `kept_out` in the words of a `.gitignore`, stays behind. A
    folder that is too large is refused before anything is made.
    """
    rules = await measure(folder, kept_out)
    store = await make_store(state, run_id, search_path=search_path)
    taken = await in_thread(partial(_look, folder, store, rules))
    _tell_of_skipped(taken.skipped, tell)
    await _fill(store, state, taken.tree, LEFT_OUT, author)
    return await open_again(
        state=state,
        run_id=run_id,
        search_path=search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )


async def make_copied_again(
    theirs: Store,
    record: Record,
    *,
    state: Path,
    run_id: str,
    author: Author,
    environment: MakeEnvironment,
) -> Dimension:
    """Make a workspace that began as that of another run did, from what is kept of that."""
    search_path, tree = theirs.git.search_path, record.base.candidate
    store = await make_store(
        state, run_id, search_path=search_path, object_format=record.object_format
    )
    await share_objects(theirs, store, tree=tree)
    await _fill(store, state, tree, record.left_out, author)
    return await open_again(
        state=state, run_id=run_id, search_path=search_path, environment=environment
    )


async def measure(folder: Path, kept_out: Sequence[str]) -> Rules:
    """Return what belongs to a copy of a folder; refuse one that is too large."""
    left_out = (*LEFT_OUT, *kept_out)
    limits = {"most_files": MOST_FILES, "most_bytes": MOST_BYTES}
    return Rules(await in_thread(partial(read_ignores, folder, left_out, **limits)))


def _look(folder: Path, store: Store, rules: Rules) -> Snapshot:
    now_ns = stat_cache.time_there(folder, store.folder)
    return take_snapshot(folder, store.objects, rules, cache={}, now_ns=now_ns)


async def _fill(
    store: Store, state: Path, tree: TreeId, left_out: Sequence[str], author: Author
) -> None:
    """Write a tree into a new folder, with a git for the agents, and record it."""
    files = await store.files_of(tree)
    with new_folder(make_place(state)) as folder:
        known = await write_out(store, files, folder)
        await plant_git(folder, store, files, author)
        Index(store.folder).know(known)
        store.objects.sync()
        base = Base("", tree, tree)
        write_record(store.folder, Record(folder, base, tuple(left_out), (), store.object_format))


def _tell_of_skipped(skipped: Sequence[Skipped], tell: Callable[[str], None]) -> None:
    if skipped:
        named = ", ".join(f"{one.path} ({one.why})" for one in islice(skipped, _SHOWN))
        more = f" and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        tell(f"Not in the copy that the run works on: {named}{more}.")


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
    rules = Rules(await in_thread(partial(read_ignores, folder, kept_out)))
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
