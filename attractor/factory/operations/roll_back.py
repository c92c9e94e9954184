"""Takes the changes of a promoted run out of a branch of the project."""

from pathlib import Path

from attractor.factory.decisions.promotion import (
    Promotion,
    roll_back,
)
from attractor.factory.evaluation.evaluate import evaluator_of
from attractor.factory.operations.lock import lock_run
from attractor.pipeline.host.run_host import RunHost
from attractor.workspaces.folders import borrowed_folder, make_workspaces_folder
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import open_repository


async def roll_back_run(
    root: Path, host: RunHost, *, branch: str, by: str, reason: str
) -> Promotion:
    """Take the changes of a promoted run out of a branch of the project."""
    with (
        lock_run(root, host) as run,
        # The store of the run may be removed already.
        borrowed_folder(make_workspaces_folder(host.state_dir)) as folder,
    ):
        repository = await open_repository(host.project, search_path=host.search_path)
        store = ObjectStore(
            folder / "store",
            object_format=repository.object_format,
            search_path=host.search_path,
        )
        await store.create(borrow_from=repository.objects)
        return await roll_back(
            run, evaluator_of(host), repository, store, branch=branch, by=by, reason=reason
        )
