"""Moves Git branches of a person's repository, and updates the files of checked-out branches."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import walk_paths
from attractor.engine.seams import Base
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.errors import BranchMoved, CheckoutInTheWay, GitFailed
from attractor.workspaces.git.files import in_thread, remove_files
from attractor.workspaces.git.object_store import (
    Author,
    ObjectStore,
    as_trailers,
    bring_commit,
    write_commit,
)
from attractor.workspaces.git.objects import (
    FOLDER,
    LINK,
    SUBMODULE,
    FlatTree,
    TreeEntry,
    canonical_mode,
    folders_above,
    object_id,
    text_of,
)
from attractor.workspaces.git.repository import Git, Repository, find_git_dir
from attractor.workspaces.result_tree import result_trees
from attractor.workspaces.snapshot import write_out


@dataclass(frozen=True)
class Checkout:
    """A work tree that has a branch checked out."""

    folder: Path
    git: Git


@dataclass(frozen=True)
class BranchMove:
    """The files of a checkout before and after a move of the checked-out branch."""

    old: FlatTree
    new: FlatTree
    object_format: str

    def in_the_way(self, index: FlatTree, folder: Path) -> Sequence[bytes]:
        """Return the paths whose content is neither the content before nor after the move."""
        paths = self.old.keys() | self.new.keys() | index.keys()
        at = os.fsencode(folder)
        # An interrupted move is continued: each path may be old or new.
        found = {path for path in paths if not self._is_expected(path, index.get(path))}
        found |= {path for path in paths if not self._is_expected_on_disk(at, path)}
        found |= set(self._untracked_conflicts(at))
        return sorted(found)

    def _is_expected(self, path: bytes, found: TreeEntry | None) -> bool:
        return any(same_entry(found, wanted.get(path)) for wanted in (self.old, self.new))

    def _is_expected_on_disk(self, at: bytes, path: bytes) -> bool:
        wanted = self.old.get(path) or self.new.get(path)
        if wanted is not None and wanted.mode == SUBMODULE:
            return True
        found = _on_disk(at, path, self.object_format)
        # The content of a folder is checked path by path.
        return self._is_expected(path, None if found and found.mode == FOLDER else found)

    def _untracked_conflicts(self, at: bytes) -> Iterator[bytes]:
        """Yield untracked files that block a new file or the folder of a new file."""
        for path in self.new.keys() - self.old.keys():
            for parent in folders_above(path):
                if parent not in self.old and _is_no_folder(at + b"/" + parent):
                    yield parent
            for below in _files_below(at + b"/" + path):
                if below.removeprefix(at + b"/") not in self.old:
                    yield below.removeprefix(at + b"/")


async def checkouts_of(repository: Repository, ref: str, store: ObjectStore) -> Sequence[Checkout]:
    """Return the work trees that have a branch checked out."""
    listed = await store.output_of(repository.git, "worktree", "list", "--porcelain", "-z")
    found: list[Checkout] = []
    for record in os.fsdecode(listed).split("\0\0"):
        split = (field.partition(" ") for field in record.strip("\0").split("\0"))
        fields = {name: value for name, _, value in split}
        folder = Path(fields.get("worktree", ""))
        if fields.get("branch") != ref or not folder.is_dir():
            continue
        git_dir = await find_git_dir(folder, search_path=repository.git.search_path)
        if git_dir is not None:
            found.append(Checkout(folder, Git(git_dir, repository.git.search_path)))
    return found


def same_entry(entry: TreeEntry | None, other: TreeEntry | None) -> bool:
    """Return whether two entries are the same, or both missing."""
    if entry is None or other is None:
        return entry is other
    return entry.id == other.id and canonical_mode(entry.mode) == canonical_mode(other.mode)


def _on_disk(at: bytes, path: bytes, object_format: str) -> TreeEntry | None:
    """Return the entry of a path on disk; None for a path behind a link."""
    full = at + b"/" + path
    if any(_is_no_folder(at + b"/" + parent) for parent in folders_above(path)):
        return None
    try:
        mode = os.lstat(full).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(mode):
        return TreeEntry(
            LINK, object_id("blob", os.fsencode(Path(os.fsdecode(full)).readlink()), object_format)
        )
    if stat.S_ISREG(mode):
        content = Path(os.fsdecode(full)).read_bytes()
        return TreeEntry(canonical_mode(mode), object_id("blob", content, object_format))
    return TreeEntry(stat.S_IFMT(mode), b"")


def _is_no_folder(full: bytes) -> bool:
    """Return whether a path exists and is not a folder."""
    try:
        return not stat.S_ISDIR(os.lstat(full).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _files_below(full: bytes) -> Iterator[bytes]:
    """Yield the files below a path; a path that is not a folder has no files."""
    if not Path(os.fsdecode(full)).is_symlink():
        for folder, _, names in walk_paths(full):
            yield from (folder + b"/" + name for name in names)


_SHOWN = 5


async def move_branch(
    repository: Repository, store: ObjectStore, *, branch: str, old: str, new: str
) -> None:
    """Move a branch from one commit to another, or refuse without a change.

    Another call finishes an interrupted move. The repository must contain the new commit, and the
    store must borrow from the repository.
    """
    ref = f"refs/heads/{branch}"
    now = await repository.ref(ref)
    if now not in (old, new):
        raise _moved(ref, now, old)
    move = await _planned(repository, store, old, new)
    checkouts = await checkouts_of(repository, ref, store)
    for checkout in checkouts:
        await _check_clean(checkout, move, store)
    # Git moves the ref only if it has not moved meanwhile.
    swapped = await repository.git.answer("update-ref", "-m", "attractor: promote", ref, new, old)
    now = await repository.ref(ref)
    if now not in (old, new):
        raise _moved(ref, now, old)
    if now != new:
        raise GitFailed(
            f"git did not move {ref}: {swapped.stderr.strip()}",
            hint="check whether another git process is running in that repository, then try again",
        )
    for checkout in checkouts:
        await _move_files(checkout, move, store, new)


async def changes_in_the_way(
    repository: Repository, store: ObjectStore, *, branch: str, old: str, new: str
) -> Mapping[Path, Sequence[str]]:
    """Return the work trees in which uncommitted changes would stop a move, with their paths.

    The repository must contain both commits, and the store must borrow from it.
    """
    move = await _planned(repository, store, old, new)
    checkouts = await checkouts_of(repository, f"refs/heads/{branch}", store)
    found = {one.folder: await _in_the_way(one, move, store) for one in checkouts}
    return {folder: paths for folder, paths in found.items() if paths}


async def _planned(repository: Repository, store: ObjectStore, old: str, new: str) -> BranchMove:
    return BranchMove(
        await store.files_of(await repository.tree(old)),
        await store.files_of(await repository.tree(new)),
        repository.object_format,
    )


def _moved(ref: str, now: str, old: str) -> BranchMoved:
    where = f"is at {now[:12]}" if now else "does not exist"
    return BranchMoved(
        f"{ref} {where}, not at the base commit {old[:12]}",
        hint="start a run from the current commit of the branch, and evaluate it",
    )


async def _check_clean(checkout: Checkout, move: BranchMove, store: ObjectStore) -> None:
    lock = checkout.git.git_dir / "index.lock"
    # Git would move the branch, and then refuse to write the index.
    if lock.exists():
        raise CheckoutInTheWay(
            f"{checkout.folder} has the branch checked out, and {lock} exists: another git process "
            "works there, or died",
            hint="wait until it ends, or remove the file if no git process is left; then try again",
        )
    if paths := await _in_the_way(checkout, move, store):
        raise CheckoutInTheWay(
            f"{checkout.folder} has the branch checked out and uncommitted changes: "
            f"{some_paths(paths)}",
            hint="commit or stash them, or switch this checkout to another branch, then try again; "
            "files that git converts (line ends, filters) count as changed",
        )


async def _in_the_way(checkout: Checkout, move: BranchMove, store: ObjectStore) -> Sequence[str]:
    index = await store.index_of(checkout.git)
    paths: Sequence[bytes] = await in_thread(partial(move.in_the_way, index, checkout.folder))
    return [text_of(path) for path in paths]


def some_paths(paths: Sequence[str]) -> str:
    """Return the first paths, and the number of the others."""
    named = ", ".join(paths[:_SHOWN])
    return f"{named} and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else named


async def _move_files(
    checkout: Checkout, move: BranchMove, store: ObjectStore, commit: str
) -> None:
    changed = {path: entry for path, entry in move.new.items() if move.old.get(path) != entry}
    gone = move.old.keys() - move.new.keys()
    await in_thread(partial(remove_files, checkout.folder, gone))
    await write_out(store, changed, checkout.folder)
    # In an empty work tree git cannot run filters while it writes the index.
    with store.empty_folder() as empty:
        git = checkout.git.with_work_tree(empty)
        await git.run("read-tree", "-i", "-m", commit)


RUN_BRANCHES = "refs/heads/attractor/run/"
"""The prefix of the branches of runs."""

AT_BASE = -1
"""The position of the base, before the first stage."""


@dataclass(frozen=True)
class StageTree:
    """The candidate tree of a stage, with the subject, author and trailers of the stage's commit.

    `parents` are the positions of the parent commits among all stages (default: the previous
    stage).
    """

    subject: str
    tree: TreeId
    author: Author
    trailers: Mapping[str, str] = field(default_factory=dict[str, str])
    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class RunBranch:
    """The Git branch of a run, with the last commit and the result tree."""

    ref: str
    commit: str
    tree: TreeId


async def write_run_branch(
    repository: Repository,
    store: ObjectStore,
    *,
    run_id: str,
    base: Base,
    stages: Sequence[StageTree],
    excluded: Sequence[str],
) -> RunBranch:
    """Write a commit for every stage, and a branch that ends with the last commit.

    A branch that ends with an earlier stage of the run is moved. A second call changes nothing.
    """
    results = await result_trees(store, base, [stage.tree for stage in stages], excluded=excluded)
    commits: list[str] = []
    for position, (stage, result) in enumerate(zip(stages, results, strict=True)):
        parents = stage.parents or (position - 1,)
        subject = (stage.subject.strip().splitlines() or ["A stage"])[0]
        trailers = as_trailers([("Attractor-Run", run_id), *stage.trailers.items()])
        commits.append(
            write_commit(
                store.objects,
                tree=result.tree,
                parents=tuple(
                    base.commit if parent == AT_BASE else commits[parent] for parent in parents
                ),
                author=stage.author,
                message=f"{subject}\n\n{trailers}",
            )
        )
    commit = commits[-1] if commits else base.commit
    if commit != base.commit:
        await bring_commit(commit, out_of=store.git, into=repository.git, without=base.commit)
    ref = f"{RUN_BRANCHES}{run_id}"
    await _move_branch(repository, store, ref, base.commit, commit)
    return RunBranch(ref, commit, results[-1].tree if results else base.tree)


async def _move_branch(
    repository: Repository, store: ObjectStore, ref: str, base: str, commit: str
) -> None:
    """Move the branch, unless the branch has commits of others or is checked out."""
    before = await repository.ref(ref)
    if before == commit:
        return
    if before and not await repository.is_between(base, before, commit):
        raise BranchMoved(
            f"{ref} is at {before[:12]}, which is not a stage of the run",
            hint=f"rename or delete it, then run: {_resume(ref)}",
        )
    if before and (checkouts := await checkouts_of(repository, ref, store)):
        raise CheckoutInTheWay(
            f"{checkouts[0].folder} has {ref.removeprefix('refs/heads/')} checked out, so it "
            "cannot be moved",
            hint=f"switch this checkout to another branch, then run: {_resume(ref)}",
        )
    await repository.move_ref(ref, before, commit)


def _resume(ref: str) -> str:
    return f"attractor resume {ref.removeprefix(RUN_BRANCHES)}"
