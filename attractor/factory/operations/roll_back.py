"""Takes the changes of a promoted run out of a branch of the project."""

from pathlib import Path

from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.promotion import Promotion, roll_back
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.open_project import OpenProject
from attractor.workspaces.folders import borrowed_folder, make_workspaces_folder
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import open_repository


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
