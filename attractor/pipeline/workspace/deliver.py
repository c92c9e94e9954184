"""Delivers the result of a run to its project, as a Git branch or a patch, whenever the
run stops.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.errors import AttractorError, UsageError
from attractor.base.files import write_whole
from attractor.base.json import Json
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.stage.no_workspace import NoEnvironment
from attractor.engine.stage.patch import Patch, redact_patch
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.run_state import EVALUATING
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.graph.graph import Graph
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import read_saved_pipeline
from attractor.pipeline.workspace.create import objects_of
from attractor.pipeline.workspace.stage_commits import stage_commits
from attractor.records.delivery import (
    BRANCH_WRITTEN,
    CARRIED_CHANGED,
    NO_FILES,
    PATCH_WRITTEN,
    RESULT,
    describe_carried_changes,
)
from attractor.records.request import RunRequest, read_request
from attractor.workspaces.checkouts import write_run_branch
from attractor.workspaces.create.isolated import reopen_workspace
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.setup.cache import changed_since
from attractor.workspaces.tracked_folder import TrackedFolder

LARGEST_RESULT = 1 << 30


_MOST_NAMED = 5


async def describe_changes(workspace: TrackedFolder, tree: TreeId) -> str:
    """Return the number of files that a run has changed so far, with the first names."""
    return _numbered(sorted(await workspace.changed(workspace.base.candidate, tree)))


def _numbered(paths: Sequence[str]) -> str:
    if not paths:
        return NO_FILES
    files = number_of(len(paths), "file")
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return f"{files}: {', '.join(paths[:_MOST_NAMED])}{more}"


async def deliver(
    run: OpenRun, workspace: object, *, graph: Graph, request: RunRequest, project: Project
) -> None:
    """Deliver the result so far; a repeated call has the same effect.

    A failure is an error for a run that succeeded, and only reported for any other run.
    """
    if not isinstance(workspace, TrackedFolder) or run.state.progress is None:
        return
    delivered = workspace_registry()[request.workspace].how_delivered
    if not delivered:
        return
    give = _give_branch if delivered == "branch" else _write_result
    try:
        await give(run, workspace, graph, project)
    except AttractorError as trouble:
        if run.state.status == EVALUATING:
            raise
        hint = f" ({trouble.hint})" if trouble.hint else ""
        project.console.tell(f"The result so far was not delivered: {trouble.message}{hint}.")


async def note_carried_changes(run: OpenRun, request: RunRequest, scope: RunScope) -> None:
    """Record and print the carried paths of the project that changed during a run in its folder."""
    kind, paths = workspace_registry()[request.workspace], scope.preparation.carried_paths
    if kind.is_apart or kind.only_reads or not paths:
        return
    began = run.manifest.started.timestamp()
    if found := await in_thread(partial(changed_since, scope.project.root, paths, began)):
        changed = _numbered(sorted(found))
        run.emit(CARRIED_CHANGED, {"changed": changed}, sync=True)
        scope.project.console.tell(describe_carried_changes(changed))


async def _give_branch(
    run: OpenRun, workspace: TrackedFolder, graph: Graph, project: Project
) -> None:
    journal, base = run.directory.events, workspace.base
    stages = await in_thread(partial(stage_commits, journal, graph, base=base.candidate))
    if not stages and run.state.status != EVALUATING:
        return
    branch = await write_run_branch(
        await open_repository(project.root, search_path=project.machine.search_path),
        workspace.store,
        run_id=run.manifest.run_id,
        base=base,
        stages=stages,
        excluded=workspace.excluded,
    )
    changed = await describe_changes(workspace, run.progress.tree)
    data = {"ref": branch.ref, "commit": branch.commit, "tree": branch.tree, "changed": changed}
    run.emit(BRANCH_WRITTEN, data, sync=True)


async def _write_result(
    run: OpenRun, workspace: TrackedFolder, graph: Graph, project: Project
) -> None:
    """Write every change of the run into a patch, and record whether secrets were redacted."""
    since, until = workspace.base.candidate, run.progress.tree
    content = await workspace.diff(since, until, most=LARGEST_RESULT + 1)
    if len(content) > LARGEST_RESULT:
        raise UsageError(
            f"the changes of the run exceed {LARGEST_RESULT >> 30} GiB, the maximum of a patch",
            hint=f"its files are in {workspace.folder}",
        )
    place = run.directory.root / RESULT
    if not content and not place.exists():
        return
    clean = await in_thread(partial(redact_patch, Patch(content), run.redactor))
    await in_thread(partial(write_whole, place, clean.content))
    data: dict[str, Json] = {
        "path": RESULT,
        "since": since,
        "tree": until,
        "redacted": clean.is_redacted,
        "folder": str(workspace.folder),
        "store": str(workspace.store.folder),
        "changed": await describe_changes(workspace, until),
    }
    run.emit(PATCH_WRITTEN, data, sync=True)


async def deliver_ended_run(root: Path, project: Project) -> None:
    """Deliver the result of a run that was canceled without a process; report a failure.

    A live process delivers the result itself.
    """
    if is_held(RunDirectory(root).lock):
        return
    try:
        with open_run(
            root, clock=project.machine.clock, redactor=project.redactor, before_end=None
        ) as run:
            await _deliver(run, project)
    except AttractorError as trouble:
        project.console.tell(f"The result of the run was not delivered: {trouble.message}.")


async def _deliver(run: OpenRun, project: Project) -> None:
    manifest = run.manifest
    request = read_request(manifest)
    is_delivered = workspace_registry()[request.workspace].how_delivered
    if not is_delivered or run.state.progress is None:
        return
    pipeline = read_saved_pipeline(
        run.directory,
        manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=project.parts,
    )
    workspace = await reopen_workspace(
        state=project.machine.state_dir,
        run_id=manifest.run_id,
        search_path=project.machine.search_path,
        environment=_nowhere,
        borrow_from=await objects_of(request, project),
    )
    try:
        await deliver(run, workspace, graph=pipeline.graph, request=request, project=project)
    finally:
        await workspace.close()


def _nowhere(folder: Path) -> ExecutionEnvironment:
    """Return no environment, because no tool runs during the delivery."""
    return NoEnvironment()
