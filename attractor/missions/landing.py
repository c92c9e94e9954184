"""Lands work on the branch of a mission: merges it onto the tip, and moves the branch.

Landing is no promotion: no decision is asked for, and no other branch moves.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from attractor.base.dataclasses import dataclass
from attractor.engine.seams import Base
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.language.declarations.touches import is_within
from attractor.missions.records import Cause, History, PlannedTask
from attractor.workspaces.checkouts import move_branch
from attractor.workspaces.commits import subject_from, write_result
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import ObjectStore, bring_commit, share_objects
from attractor.workspaces.git.objects import text_of, write_tree
from attractor.workspaces.git.repository import Repository, open_repository
from attractor.workspaces.merge import merge_trees
from attractor.workspaces.result_tree import candidate_files, excluded_in, result_trees
from attractor.workspaces.run_store import open_store, store_for_a_moment

_MOST_PATHS = 10


@dataclass(frozen=True)
class NotMerged:
    """Why work cannot be merged, with words for the next worker."""

    cause: Cause
    words: str


async def candidate_of(commit: str, store: ObjectStore, repository: Repository) -> str:
    """Return the tree of a commit without the files that workspaces do not contain."""
    files = await store.files_of(await repository.tree(commit))
    kept = candidate_files(files, excluded_in(repository.prefix))
    return (await in_thread(partial(write_tree, store.objects, kept))).hex()


async def repository_of(opened: OpenProject) -> Repository:
    """Return the repository of a project."""
    project = opened.project
    return await open_repository(project.root, search_path=project.machine.search_path)


@dataclass(frozen=True)
class MadeWork:
    """The work of a run on a task: its tree in a store, and the tree from which the run began."""

    run_id: str
    task: PlannedTask
    store: ObjectStore
    tree: str
    before: str


async def merge_work(
    run_id: str, tree: str, task: PlannedTask, history: History, opened: OpenProject
) -> str | NotMerged:
    """Merge the work of a run onto the tip, and return the commit, which is in no branch yet."""
    machine, repository = opened.project.machine, await repository_of(opened)
    store, record = open_store(
        machine.state_dir,
        run_id,
        search_path=machine.search_path,
        borrow_from=repository.objects,
    )
    made = MadeWork(run_id, task, store, tree, record.base.candidate)
    async with store_for_a_moment(repository, machine.state_dir) as into:
        return await merge_into(into, made, history, repository, now=opened.now())


async def merge_into(
    store: ObjectStore, made: MadeWork, history: History, repository: Repository, *, now: datetime
) -> str | NotMerged:
    """Merge work onto the tip of a mission in a store that borrows from the repository.

    Return NotMerged for work that changed nothing, or other files than the task names, and for a
    conflict.
    """
    changes = await made.store.changes(made.before, made.tree)
    changed = [text_of(change.path) for change in changes]
    if fault := _fault_of(changed, made.task, repository.prefix):
        return fault
    await share_objects(made.store, store, tree=made.tree)
    tip = await candidate_of(history.tip, store, repository)
    merged = await merge_trees(store, [tip, made.tree], base=made.before)
    if merged.conflicts:
        words = f"other work changed the same lines meanwhile: {_some(merged.conflicts)}"
        return NotMerged(Cause.CONFLICT, words)
    base = Base(history.tip, await repository.tree(history.tip), tip)
    excluded = excluded_in(repository.prefix)
    [result] = await result_trees(store, base, [merged.tree], excluded=excluded)
    commit = write_result(
        store,
        tree=result.tree,
        parent=history.tip,
        at=now,
        subject=subject_from([made.task.what]),
        trailers={
            "Attractor-Run": made.run_id,
            "Attractor-Mission": history.mission.name,
            "Attractor-Task": made.task.id,
        }.items(),
    )
    await bring_commit(commit, out_of=store.git, into=repository.git, without=history.tip)
    return commit


def _fault_of(changed: Sequence[str], task: PlannedTask, prefix: str) -> NotMerged | None:
    if not changed and not task.keep:
        return NotMerged(Cause.EMPTY, "it changed no file")
    own = [f"{prefix}{pattern}" for pattern in task.touches]
    foreign = [path for path in changed if not is_within(path, own)]
    words = f"it changed files that the task does not name: {_some(foreign)}"
    return NotMerged(Cause.FOREIGN, words) if foreign else None


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
    return f"{', '.join(paths[:_MOST_PATHS])}{more}"


async def move_tip(
    task: str, run_id: str, commit: str, history: History, opened: OpenProject
) -> str:
    """Move the branch from the tip to a commit, and record it in the ledger; return its tree.

    A repeated call finishes what a killed one began.
    """
    repository, mission = await repository_of(opened), history.mission
    async with store_for_a_moment(repository, opened.project.machine.state_dir) as store:
        await move_branch(repository, store, branch=mission.branch, old=history.tip, new=commit)
    tree = await repository.tree(commit)
    data = {
        "mission": mission.name,
        "project": opened.identity.project_id(),
        "task": task,
        "branch": mission.branch,
        "tree": tree,
        "before": history.tip,
        "after": commit,
    }
    opened.ledger.append(LineKind.MISSION_LANDED, run_id, data, now=opened.now(), once=True)
    return tree
