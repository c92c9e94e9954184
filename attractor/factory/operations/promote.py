"""Writes the result of an approved run to a branch of the project, and takes it out again."""

from pathlib import Path

from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.promotion import (
    CandidateTree,
    Promotion,
    promote,
    require_isolated,
    roll_back,
)
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.open_project import OpenProject
from attractor.pipeline.workspace.create import require_trees
from attractor.workspaces.folders import borrowed_folder, make_workspaces_folder
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.run_store import open_store


async def promote_run(root: Path, opened: OpenProject, *, branch: str, by: str) -> Promotion:
    """Write the result of an approved run to a branch of the project."""
    opened.refuse_in_run("a promotion")
    project, machine = opened.project, opened.project.machine
    with lock_run(root, opened) as run:
        request = require_isolated(run)
        repository = await open_repository(project.root, search_path=machine.search_path)

        def open_kept() -> CandidateTree:
            run_id = run.manifest.run_id
            require_trees(request, project, run_id)
            store, record = open_store(
                machine.state_dir,
                run_id,
                search_path=machine.search_path,
                borrow_from=repository.objects,
            )
            return CandidateTree(store, record.base, record.excluded)

        return await promote(run, Evaluator(opened), repository, open_kept, branch=branch, by=by)


async def roll_back_run(
    root: Path, opened: OpenProject, *, branch: str, by: str, reason: str
) -> Promotion:
    """Take the changes of a promoted run out of a branch of the project."""
    opened.refuse_in_run("a rollback")
    project, machine = opened.project, opened.project.machine
    with (
        lock_run(root, opened) as run,
        # The store of the run may be removed already.
        borrowed_folder(make_workspaces_folder(machine.state_dir)) as folder,
    ):
        repository = await open_repository(project.root, search_path=machine.search_path)
        store = ObjectStore(
            folder / "store",
            object_format=repository.object_format,
            search_path=machine.search_path,
        )
        await store.create(borrow_from=repository.objects)
        return await roll_back(
            run, Evaluator(opened), repository, store, branch=branch, by=by, reason=reason
        )
