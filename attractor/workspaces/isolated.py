"""Makes the isolated workspace of a run: the base tree without its past and its holdouts."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from attractor.engine.interfaces import Base
from attractor.workspaces.agent_git import plant_git
from attractor.workspaces.commits import Author, bring_commit
from attractor.workspaces.dimension import Dimension, MakeEnvironment, OnSnapshot
from attractor.workspaces.gathering import gather, untold
from attractor.workspaces.held_folders import new_folder
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.index import Index
from attractor.workspaces.opening import open_again, unheard
from attractor.workspaces.place import make_place
from attractor.workspaces.record import Record, write_record
from attractor.workspaces.repository import Repository
from attractor.workspaces.result_tree import LEFT_OUT, candidate_files
from attractor.workspaces.store import Store
from attractor.workspaces.stores import make_store
from attractor.workspaces.trees import write_tree
from attractor.workspaces.uncommitted import WorkTree, commit_uncommitted
from attractor.workspaces.writing_out import write_out

BASE_REFS = "refs/attractor/base/"


async def make_isolated(
    repository: Repository,
    *,
    state: Path,
    run_id: str,
    commit: str,
    author: Author,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = unheard,
    left_out: Sequence[str] = LEFT_OUT,
    uncommitted: WorkTree | None = None,
    tell: Callable[[str], None] = untold,
) -> Dimension:
    """Make the workspace of a run from a commit; a half-made one of the same run is made anew.

    What is `uncommitted` in a work tree of that commit comes along, as a commit of its own. What
    the project's clone lacks is told.
    """
    base_commit = await repository.commit(commit)
    store = await make_store(
        state,
        run_id,
        search_path=repository.git.search_path,
        object_format=repository.object_format,
        borrow_from=repository.objects,
    )
    if uncommitted is not None:
        base_commit = await _with_uncommitted(repository, store, base_commit, uncommitted, author)
    await repository.git.run("update-ref", f"{BASE_REFS}{run_id}", base_commit)
    tree = await repository.tree(base_commit)
    whole = await store.files_of(tree)
    files = candidate_files(whole, left_out)
    candidate = (await in_thread(partial(write_tree, store.objects, files))).hex()
    base = Base(base_commit, tree, candidate)
    laid = await gather(
        repository, store, tree=tree, base=whole, candidate=files, left_out=left_out, tell=tell
    )
    materials = (await in_thread(partial(write_tree, store.objects, laid))).hex() if laid else ""
    with new_folder(make_place(state)) as folder:
        shown = {**files, **laid}
        known = await write_out(store, shown, folder)
        await plant_git(folder, store, shown, author)
        Index(store.folder).know(known)
        store.objects.sync()
        record = Record(folder, base, tuple(left_out), (), store.object_format, materials)
        write_record(store.folder, record)
    return await open_again(
        state=state,
        run_id=run_id,
        search_path=repository.git.search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )


async def _with_uncommitted(
    repository: Repository, store: Store, commit: str, work_tree: WorkTree, author: Author
) -> str:
    """Give the project a commit, on no branch, of what is not committed."""
    tree = await repository.tree(commit)
    made = await commit_uncommitted(store, work_tree, commit, tree=tree, author=author)
    if made != commit:
        await bring_commit(made, out_of=store.git, into=repository.git, without=commit)
    return made
