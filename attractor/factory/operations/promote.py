"""Writes the result of an approved run to a branch of the project."""

from pathlib import Path

from attractor.base.errors import UsageError
from attractor.engine.run_folder.open_run import OpenRun
from attractor.factory.decisions.promotion import (
    CandidateTree,
    Promotion,
    promote,
)
from attractor.factory.evaluation.evaluate import evaluator_of
from attractor.factory.operations.lock import lock_run
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.create import require_trees
from attractor.records.request import RunRequest, WorkspaceKind, read_request
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.run_store import open_store


async def promote_run(root: Path, project: Project, *, branch: str, by: str) -> Promotion:
    """Write the result of an approved run to a branch of the project."""
    machine = project.machine
    with lock_run(root, project) as run:
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

        return await promote(
            run, evaluator_of(project), repository, open_kept, branch=branch, by=by
        )


def require_isolated(run: OpenRun) -> RunRequest:
    """Return the request of a run; refuse a run without a base in the project's repository."""
    request = read_request(run.manifest)
    if request.workspace is not WorkspaceKind.ISOLATED:
        raise UsageError(
            "only a run with an isolated workspace can be promoted",
            hint="run it with --workspace isolated, in a git repository",
        )
    return request
