"""Moves a branch of a person to a commit, with the files of whoever has it checked out."""

from collections.abc import Sequence
from functools import partial

from attractor.workspaces.checkouts import Checkout, Move, checkouts_of
from attractor.workspaces.errors import BranchMoved, CheckoutInTheWay, GitFailed
from attractor.workspaces.folder import remove_files
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.repository import Repository
from attractor.workspaces.store import Store
from attractor.workspaces.trees import text_of
from attractor.workspaces.writing_out import write_out

_SHOWN = 5


async def move_branch(
    repository: Repository, store: Store, *, branch: str, old: str, new: str
) -> None:
    """Move a branch from one commit to another, or change nothing and refuse.

    A move that was interrupted is finished by another call. The repository must have the new
    commit, and the store must borrow from the repository.
    """
    ref = f"refs/heads/{branch}"
    now = await repository.ref(ref)
    if now not in (old, new):
        raise _moved(ref, now, old)
    move = Move(
        await store.files_of(await repository.tree(old)),
        await store.files_of(await repository.tree(new)),
        repository.object_format,
    )
    checkouts = await checkouts_of(repository, ref, store)
    for checkout in checkouts:
        await _check_clean(checkout, move, store)
    await _swap(repository, ref, old, new)
    for checkout in checkouts:
        await _move_files(checkout, move, store, new)


def _moved(ref: str, now: str, old: str) -> BranchMoved:
    where = f"stands at {now[:12]}" if now else "does not exist"
    return BranchMoved(
        f"{ref} {where}, not at {old[:12]} where the base was taken",
        hint="evaluate the merged tree first: start a run from where the branch is now",
    )


async def _check_clean(checkout: Checkout, move: Move, store: Store) -> None:
    index = await store.index_of(checkout.git)
    paths: Sequence[bytes] = await in_thread(partial(move.in_the_way, index, checkout.folder))
    if paths:
        named = ", ".join(text_of(path) for path in paths[:_SHOWN])
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        raise CheckoutInTheWay(
            f"{checkout.folder} has the branch checked out and holds changes: {named}{more}",
            hint="commit or stash them, or switch to another branch there, then try again; "
            "files that git converts (line ends, filters) count as changed",
        )


async def _swap(repository: Repository, ref: str, old: str, new: str) -> None:
    """Let the ref go from one commit to the other, if it is still where it was."""
    swapped = await repository.git.answer("update-ref", "-m", "attractor: promote", ref, new, old)
    now = await repository.ref(ref)
    if now not in (old, new):
        raise _moved(ref, now, old)
    if now != new:
        raise GitFailed(
            f"git did not move {ref}: {swapped.stderr.strip()}",
            hint="see whether another git is at work in that repository, then try again",
        )


async def _move_files(checkout: Checkout, move: Move, store: Store, commit: str) -> None:
    changed = {path: entry for path, entry in move.new.items() if move.old.get(path) != entry}
    gone = move.old.keys() - move.new.keys()
    await in_thread(partial(remove_files, checkout.folder, gone))
    await write_out(store, changed, checkout.folder)
    # Where git finds no files it can run no filter over them: it would, while it writes the index.
    with store.empty_folder() as nowhere:
        git = checkout.git.with_work_tree(nowhere)
        await git.run("read-tree", "-i", "-m", commit)
