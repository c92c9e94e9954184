"""Takes the changes of a promoted run out of a branch of the project."""

from pathlib import Path

from attractor.factory.decisions.promotion import (
    Promotion,
    roll_back,
)
from attractor.factory.evaluation.evaluate import evaluator_of
from attractor.factory.operations.lock import lock_run
from attractor.pipeline.project.project import Project
from attractor.workspaces.folders import borrowed_folder, make_workspaces_folder
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import open_repository


async def roll_back_run(
    root: Path, project: Project, *, branch: str, by: str, reason: str
) -> Promotion:
    """Take the changes of a promoted run out of a branch of the project."""
    machine = project.machine
    with (
        lock_run(root, project) as run,
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
            run, evaluator_of(project), repository, store, branch=branch, by=by, reason=reason
        )
