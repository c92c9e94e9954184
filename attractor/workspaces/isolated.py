"""Makes the isolated workspace of a run: the base tree without its past and its holdouts."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from attractor.base.private_folders import make_private_folder
from attractor.engine.seams import Base
from attractor.workspaces import stat_cache
from attractor.workspaces.agent_git import plant_git
from attractor.workspaces.commits import Author
from attractor.workspaces.dimension import Dimension, MakeEnvironment, OnSnapshot, write_out
from attractor.workspaces.held_folders import new_folder
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.opening import open_again, unheard
from attractor.workspaces.place import workspaces_of
from attractor.workspaces.record import Record, write_record
from attractor.workspaces.repository import Repository
from attractor.workspaces.result_tree import LEFT_OUT, candidate_files
from attractor.workspaces.stores import make_store
from attractor.workspaces.trees import write_tree

_BASE_REF = "refs/attractor/base/"


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
) -> Dimension:
    """Make the workspace of a run from a commit; a half-made one of the same run is made anew."""
    base_commit = await repository.commit(commit)
    store = await make_store(
        state,
        run_id,
        search_path=repository.git.search_path,
        object_format=repository.object_format,
        borrow_from=repository.objects,
    )
    await repository.git.run("update-ref", f"{_BASE_REF}{run_id}", base_commit)
    tree = await repository.tree(base_commit)
    files = candidate_files(await store.files_of(tree), left_out)
    candidate = (await in_thread(partial(write_tree, store.objects, files))).hex()
    base = Base(base_commit, tree, candidate)
    with new_folder(_place(state)) as folder:
        known = await write_out(store, files, folder)
        await plant_git(folder, store, candidate, author)
        stat_cache.save(known, store.cache_file)
        store.objects.sync()
        write_record(store.folder, Record(folder, base, tuple(left_out), (), store.object_format))
    return await open_again(
        state=state,
        run_id=run_id,
        search_path=repository.git.search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )


def _place(state: Path) -> Path:
    place = workspaces_of(state)
    make_private_folder(place)
    return place
