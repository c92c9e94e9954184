"""Creates a workspace from a folder outside Git, and reads the ignore files of the folder."""

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence, Set
from functools import partial
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.engine.seams import Base
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.create.isolated import reopen_workspace
from attractor.workspaces.errors import FolderTooLarge
from attractor.workspaces.folders import make_workspaces_folder, new_folder, require_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import (
    Author,
    ObjectStore,
    create_agent_repository,
    share_objects,
)
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.result_tree import (
    EXCLUDED,
    LEAVE_OUT,
    excluded_in,
    is_dot_git,
    protected_paths,
)
from attractor.workspaces.run_store import FolderIndex, WorkspaceRecord, create_store, write_record
from attractor.workspaces.snapshot import (
    Snapshot,
    SnapshotRules,
    filesystem_time,
    take_snapshot,
    write_out,
)
from attractor.workspaces.tracked_folder import EnvironmentFactory, OnSnapshot, TrackedFolder


def read_ignores(
    folder: Path,
    also_excluded: Sequence[str],
    *,
    most_files: int | None = None,
    most_bytes: int | None = None,
) -> IgnoreRules:
    """Read the ignore files of a folder, except for files in ignored folders.

    A folder with more than `most_files` or `most_bytes` is refused during the walk.
    """
    walk = _Walk(folder, also_excluded)
    for files, size in walk.sizes():
        if most_files is not None and files > most_files:
            raise FolderTooLarge(f"{folder} has more than {most_files:,} files")
        if most_bytes is not None and size > most_bytes:
            limit = f"{most_bytes >> 30} GiB" if most_bytes >= 1 << 30 else f"{most_bytes:,} bytes"
            raise FolderTooLarge(f"the files in {folder} exceed {limit}")
    return walk.rules


class _Walk:
    """One walk over a folder, with the rules found so far."""

    def __init__(self, folder: Path, also_excluded: Sequence[str]) -> None:
        self._folder, self._kept_out = folder, also_excluded
        self._files: dict[bytes, bytes] = {}
        self.rules = IgnoreRules(self._files, also_excluded)

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield, after each folder, the number and the total size of the files so far."""
        files = size = 0
        waiting = [b""]
        while waiting:
            at = waiting.pop()
            try:
                self._read(at)
                for path, status in _listed(self._folder, at):
                    is_folder = stat.S_ISDIR(status.st_mode)
                    if self.rules.ignores(path, is_folder=is_folder):
                        continue
                    if is_folder:
                        waiting.append(path + b"/")
                    else:
                        files, size = files + 1, size + status.st_size
            except OSError as cause:
                raise file_error("read", self._folder / os.fsdecode(at), cause) from cause
            yield files, size

    def _read(self, at: bytes) -> None:
        file = self._folder / os.fsdecode(at) / ".gitignore"
        # Unlike Path.is_file, this returns False for a path that is too long.
        if os.path.isfile(file) and not file.is_symlink():  # noqa: PTH113
            self._files[at] = file.read_bytes()
            self.rules = IgnoreRules(self._files, self._kept_out)


def _listed(folder: Path, at: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield the entries of a folder; the snapshot reports unreadable folders."""
    try:
        found = os.scandir(folder / os.fsdecode(at))
    except OSError as cause:
        if cause.errno in (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG):
            return
        raise
    with found:
        for entry in found:
            name = os.fsencode(entry.name)
            if is_dot_git(name):
                continue
            try:
                yield at + name, entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed during the walk
                continue


_IGNORES = b".gitignore"
_PLAIN_FILE = b"100"


@dataclass(frozen=True)
class CommitRules:
    """The rules for a workspace of a commit, and the paths of the files in the commit."""

    rules: SnapshotRules
    files: Set[bytes]


async def read_commit_rules(repository: Repository, commit: str) -> CommitRules:
    """Read the paths and the ignore files of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "listed"
        await repository.git.run_to(listed, "ls-tree", "-r", "-z", "--full-tree", commit)
        files = dict(map(_parsed, listed.read_bytes().split(b"\0")[:-1]))
    texts: dict[bytes, bytes] = {}
    for path, (mode, name) in files.items():
        if path.rpartition(b"/")[2] == _IGNORES and mode.startswith(_PLAIN_FILE):
            text = await repository.git.run("cat-file", "blob", name)
            texts[path.removesuffix(_IGNORES)] = text.encode("utf-8", "surrogateescape")
    excluded = excluded_in(repository.prefix)
    rules = SnapshotRules(IgnoreRules(texts), protected=protected_paths({}, excluded))
    return CommitRules(rules, files.keys())


def _parsed(line: bytes) -> tuple[bytes, tuple[bytes, str]]:
    fields, _, path = line.partition(b"\t")
    mode, _, name = fields.split(b" ")
    return path, (mode, name.decode())


MOST_FILES = 100_000
MOST_BYTES = 2 << 30
"""The limits of a copy, because the copied folder may be a home folder."""


_SHOWN = 5


async def create_from_copy(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    author: Author,
    environment: EnvironmentFactory,
    on_snapshot: OnSnapshot = do_nothing,
    also_excluded: Sequence[str] = (),
    leave_out: Sequence[str] = LEAVE_OUT,
    tell: Callable[[str], None] = do_nothing,
) -> TrackedFolder:
    """Create a workspace with a copy of a folder; the base of the run has a tree and no commit.

    Ignored files, and files that match `also_excluded`, are not copied. A folder that is too large
    is refused before anything is created.
    """
    rules = await read_copy_rules(folder, also_excluded)
    store = await create_store(state, run_id, search_path=search_path)
    taken = await in_thread(partial(take_first_snapshot, folder, store, rules))
    if skipped := taken.skipped:
        named = ", ".join(f"{path.path} ({path.reason})" for path in skipped[:_SHOWN])
        more = f" and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        tell(f"Not copied into the workspace: {named}{more}.")
    await _create_folder(store, state, taken.tree, EXCLUDED, leave_out, author)
    return await reopen_workspace(
        state=state,
        run_id=run_id,
        search_path=search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )


async def create_like(
    theirs: ObjectStore,
    record: WorkspaceRecord,
    *,
    state: Path,
    run_id: str,
    author: Author,
    environment: EnvironmentFactory,
) -> TrackedFolder:
    """Create a workspace with the base tree of another run, from the store of the other run."""
    search_path, tree = theirs.git.search_path, record.base.candidate
    store = await create_store(
        state, run_id, search_path=search_path, object_format=record.object_format
    )
    await share_objects(theirs, store, tree=tree)
    await _create_folder(store, state, tree, record.excluded, record.leave_out, author)
    return await reopen_workspace(
        state=state, run_id=run_id, search_path=search_path, environment=environment
    )


async def read_copy_rules(folder: Path, also_excluded: Sequence[str]) -> SnapshotRules:
    """Return the rules for a copy of a folder; refuse a folder that is too large."""
    excluded = (*EXCLUDED, *also_excluded)
    limits = {"most_files": MOST_FILES, "most_bytes": MOST_BYTES}
    return SnapshotRules(await in_thread(partial(read_ignores, folder, excluded, **limits)))


def take_first_snapshot(folder: Path, store: ObjectStore, rules: SnapshotRules) -> Snapshot:
    """Take a snapshot of a folder of which nothing is known yet."""
    now_ns = filesystem_time(folder, store.folder)
    return take_snapshot(folder, store.objects, rules, cache={}, now_ns=now_ns)


async def _create_folder(
    store: ObjectStore,
    state: Path,
    tree: TreeId,
    excluded: Sequence[str],
    leave_out: Sequence[str],
    author: Author,
) -> None:
    """Write a tree into a new folder, with a `.git` for agents, and record the folder."""
    files = await store.files_of(tree)
    with new_folder(make_workspaces_folder(state)) as folder:
        known = await write_out(store, files, folder)
        await create_agent_repository(folder, store, files, author)
        FolderIndex(store.folder).save_stat_cache(known)
        store.objects.sync()
        base = Base("", tree, tree)
        record = WorkspaceRecord(
            folder,
            base,
            tuple(excluded),
            (),
            store.object_format,
            leave_out=tuple(leave_out),
            leaves_out_builds=True,
        )
        write_record(store.folder, record)


EXCLUDED_IN_PLACE = ("/runs/",)
"""Patterns of files that no snapshot contains: the records of the run."""


async def create_in_place(
    folder: Path,
    *,
    state: Path,
    run_id: str,
    search_path: str,
    environment: EnvironmentFactory,
    on_snapshot: OnSnapshot = do_nothing,
    also_excluded: Sequence[str] = EXCLUDED_IN_PLACE,
    leave_out: Sequence[str] = LEAVE_OUT,
) -> TrackedFolder:
    """Create a workspace of a folder without a copy; the run's base has a tree and no commit."""
    require_folder(folder)
    store = await create_store(state, run_id, search_path=search_path)
    rules = SnapshotRules(await in_thread(partial(read_ignores, folder, also_excluded)))
    first = await in_thread(partial(take_first_snapshot, folder, store, rules))
    store.objects.sync()
    FolderIndex(store.folder).save_stat_cache(first.cache)
    base = Base("", first.tree, first.tree)
    record = WorkspaceRecord(
        folder.absolute(),
        base,
        (),
        tuple(also_excluded),
        store.object_format,
        leave_out=tuple(leave_out),
        leaves_out_builds=True,
    )
    write_record(store.folder, record)
    return await reopen_workspace(
        state=state,
        run_id=run_id,
        search_path=search_path,
        environment=environment,
        on_snapshot=on_snapshot,
        sets_back=False,
    )
