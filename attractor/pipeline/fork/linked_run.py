"""Runs that continue an earlier run: forks and restarts."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.ids import new_run_id
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.journal.events import (
    EngineEvent,
    EventLog,
    PipelineStarted,
    RunRestarted,
    RunRestarting,
    data_of,
    kind_of,
)
from attractor.engine.routing.next_move import begin_again
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    create_run_directory,
    read_manifest,
)
from attractor.engine.run_folder.open_run import BeforeEnd, OpenRun, end_run, open_run
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Base, Workspace
from attractor.engine.stage.no_workspace import NoEnvironment, NoWorkspace
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.progress import Progress, progress_to_record
from attractor.engine.storage.artifacts import ARTIFACTS, share_blobs
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.selection import EnvironmentChoice
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import PipelineSource
from attractor.pipeline.workspace.create import open_workspace, require_trees, work_folder
from attractor.records.lookup import remove_incomplete
from attractor.records.request import RunRequest, read_request
from attractor.workspaces.create.from_folder import create_in_place, create_like
from attractor.workspaces.create.isolated import create_isolated
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.git.object_store import Author, ObjectStore, share_objects
from attractor.workspaces.git.repository import Repository, open_repository
from attractor.workspaces.result_tree import excluded_in
from attractor.workspaces.run_store import SUBMISSIONS, open_store
from attractor.workspaces.tracked_folder import OnSnapshot, TrackedFolder


async def make_forked_tree(
    request: RunRequest, project: Project, run_id: str, parent: str, tree: TreeId
) -> Base:
    """Create a workspace from a tree of another run, and return the base of the workspace."""
    kind = workspace_registry()[request.workspace]
    if kind.create is None:
        return NoWorkspace().base
    if not kind.is_apart:
        return await _in_place(work_folder(request, project), project, run_id, parent, tree)
    if kind.how_delivered == "patch":
        return await _copied(project, run_id, parent, tree)
    return await _isolated(project, run_id, parent, tree)


async def create_on_result(
    request: RunRequest,
    scope: RunScope,
    run_id: str,
    sandbox: EnvironmentChoice,
    *,
    on_snapshot: OnSnapshot,
) -> Workspace:
    """Create the workspace of a run that begins with the files of an earlier one, or of a
    submission.
    """
    project, submission = scope.project, request.submission
    if submission:
        search_path = project.machine.search_path
        repository = await open_repository(project.root, search_path=search_path)
        theirs = submission_store(project, run_id, repository.object_format)
        excluded = excluded_in(repository.prefix)
        where = project, run_id, repository, theirs, excluded, project.leave_out
        await create_on_commit(*where, submission.base, submission.tree)
    else:
        require_trees(request, project, request.builds_on)
        tree = result_tree(request, project)
        await make_forked_tree(request, project, run_id, request.builds_on, tree)
    return await open_workspace(request, scope, run_id, sandbox, on_snapshot=on_snapshot)


def submission_store(project: Project, run_id: str, object_format: str) -> ObjectStore:
    """Return the store with the files of a submission until the workspace of its run is made."""
    machine = project.machine
    folder = machine.state_dir / SUBMISSIONS / f"{run_id}.git"
    return ObjectStore(folder, object_format=object_format, search_path=machine.search_path)


def result_tree(request: RunRequest, project: Project) -> TreeId:
    """Return the tree with which a run begins; "" for that of its base."""
    if request.submission:
        return request.submission.tree
    if not request.builds_on:
        return ""
    directory = RunDirectory(project.runs_dir / request.builds_on)
    progress = open_journal(directory.events, directory.checkpoint).state.progress
    return progress.tree if progress else ""


async def _copied(project: Project, run_id: str, parent: str, tree: TreeId) -> Base:
    """Create a workspace from the copied files of the other run, without later project changes."""
    machine = project.machine
    theirs, record = open_store(machine.state_dir, parent, search_path=machine.search_path)
    workspace = await create_like(
        theirs,
        record,
        state=machine.state_dir,
        run_id=run_id,
        author=Author.attractor(machine.clock.now()),
        environment=_no_environment,
    )
    return await _continue_from(theirs, workspace, tree)


async def _isolated(project: Project, run_id: str, parent: str, tree: TreeId) -> Base:
    machine = project.machine
    repository = await open_repository(project.root, search_path=machine.search_path)
    theirs, record = open_store(
        machine.state_dir,
        parent,
        search_path=machine.search_path,
        borrow_from=repository.objects,
    )
    base = record.base.commit
    return await create_on_commit(
        project, run_id, repository, theirs, record.excluded, record.leave_out, base, tree
    )


async def create_on_commit(
    project: Project,
    run_id: str,
    repository: Repository,
    theirs: ObjectStore,
    excluded: Sequence[str],
    leave_out: Sequence[str],
    commit: str,
    tree: TreeId,
) -> Base:
    """Create a workspace with a base commit and a tree from another store."""
    workspace = await create_isolated(
        repository,
        state=project.machine.state_dir,
        run_id=run_id,
        commit=commit,
        author=Author.attractor(project.machine.clock.now()),
        environment=_no_environment,
        excluded=excluded,
        leave_out=leave_out,
        tell=project.console.tell,
    )
    return await _continue_from(theirs, workspace, tree)


async def _continue_from(theirs: ObjectStore, workspace: TrackedFolder, tree: TreeId) -> Base:
    await share_objects(theirs, workspace.store, tree=tree)
    await workspace.restore(tree)
    await workspace.close()
    return workspace.base


async def _in_place(folder: Path, project: Project, run_id: str, parent: str, tree: TreeId) -> Base:
    """Record the folder as a tree; a rewind restores the other tree and moves files aside."""
    machine = project.machine
    theirs, record = open_store(machine.state_dir, parent, search_path=machine.search_path)
    workspace = await create_in_place(
        folder,
        state=machine.state_dir,
        run_id=run_id,
        search_path=machine.search_path,
        environment=_no_environment,
        also_excluded=record.ignored,
        leave_out=record.leave_out,
    )
    await share_objects(theirs, workspace.store, tree=tree)
    await workspace.close()
    return workspace.base


def _no_environment(folder: Path) -> ExecutionEnvironment:
    """Return no environment, because no tool runs while a workspace is created."""
    return NoEnvironment()


def begin_journal(
    directory: RunDirectory,
    happenings: Iterable[EngineEvent],
    *,
    run_id: str,
    clock: Clock,
    redactor: Redactor,
) -> None:
    """Write the first events of a run: the origin, and the progress at the origin."""
    log = EventLog(directory.events, run_id=run_id, clock=clock, redactor=redactor)
    try:
        for one in happenings:
            log.append(kind_of(one), data_of(one))
        log.sync()
    finally:
        log.close()


def share_artifacts(parent: RunDirectory, directory: RunDirectory) -> None:
    """Share the artifacts of a run with another run; artifacts never change."""
    share_blobs(parent.root / ARTIFACTS, directory.root / ARTIFACTS)


async def follow_restarts(
    result: RunResult, continue_run: Callable[[Path], Awaitable[RunResult]]
) -> RunResult:
    """Continue with each restart of a run, until a restart waits, stops or ends.

    The directory of a restart is beside the directory of the run that it continues.
    """
    while result.is_restarting:
        directory = RunDirectory(result.directory)
        state = open_journal(directory.events, directory.checkpoint).state
        result = await continue_run(result.directory.parent / state.restarted_as)
    return result


async def make_next(run: OpenRun, plan: RunPlan) -> None:
    """Create the run that continues this run, unless it exists; then end this run."""
    if not _exists(run):
        await _make(run, plan)
    end_run(run)


def make_next_child(
    run: OpenRun, pipeline: PipelineSource, directory: RunDirectory, scope: RunScope
) -> None:
    """Create the run that continues a child run, unless it exists; then end the child run.

    A child works in the workspace of its parent, so only the directory is created.
    """
    if not directory.manifest.exists():
        begins = _named(run, pipeline, scope.project)
        remove_incomplete(directory.root)
        _create(directory.root, begins, pipeline, scope)
    end_run(run)


def settle_parent(
    restart: RunDirectory, manifest: Manifest, scope: RunScope, before_end: BeforeEnd
) -> None:
    """End the parent run of a restart, if the parent's process died before it ended the run."""
    beside = restart.root.parent
    root = beside / manifest.parent
    if not RunDirectory(root).manifest.exists():
        # The caller may have chosen the directory of the first run.
        found = (one.parent for one in beside.glob("*/manifest.json"))
        root = next((one for one in found if _has_id(one, manifest.parent)), root)
    if not _has_id(root, manifest.parent):
        return
    machine = scope.project.machine
    with open_run(
        root,
        clock=machine.clock,
        redactor=scope.redactor,
        fences=machine.fences,
        before_end=before_end,
    ) as parent:
        state = parent.state
        if state.restarted_as == manifest.run_id and not state.status.is_final:
            end_run(parent)


def _has_id(root: Path, run_id: str) -> bool:
    directory = RunDirectory(root)
    try:
        return directory.manifest.exists() and read_manifest(directory).run_id == run_id
    except AttractorError:
        return False


def _exists(run: OpenRun) -> bool:
    """Return whether the next run is complete: its manifest is written last."""
    run_id = run.state.restarted_as
    return bool(run_id) and RunDirectory(run.directory.root.parent / run_id).manifest.exists()


async def _make(run: OpenRun, plan: RunPlan) -> None:
    """Create the next run under a new id; an incomplete directory is not used again."""
    pipeline, request, scope = plan.pipeline, plan.request, plan.scope
    begins = _named(run, pipeline, scope.project)
    base = await make_forked_tree(
        request, scope.project, begins.manifest.run_id, run.manifest.run_id, begins.progress.tree
    )
    # The folder of a dimension of this machine is no fact of a run that began on another one.
    began = replace(request, folder=read_request(run.manifest).folder)
    options = began.redacted_record(scope.redactor)
    manifest = replace(begins.manifest, base=base, options=options)
    root = run.directory.root.parent / manifest.run_id
    _create(root, replace(begins, manifest=manifest), pipeline, scope)


def _named(run: OpenRun, pipeline: PipelineSource, project: Project) -> "_Beginning":
    """Record the id of the next run in the journal, and return its manifest and progress."""
    machine = project.machine
    old, now = run.manifest, machine.clock.now()
    run_id = new_run_id(now, machine.randomness)
    progress = begin_again(run.progress)
    run.record(RunRestarting(run_id, progress.next_node, progress.restarts), sync=True)
    manifest = replace(
        old,
        run_id=run_id,
        started=now,
        content_hash=pipeline.content_hash,
        parent=old.run_id,
        forked_at="",
        restart=progress.restarts,
        versions={"attractor": machine.version},
    )
    return _Beginning(run, manifest, progress)


def _create(root: Path, begins: "_Beginning", pipeline: PipelineSource, scope: RunScope) -> None:
    manifest = begins.manifest
    create_run_directory(
        root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        begin=begins.write,
        redactor=scope.redactor,
    )
    scope.project.console.tell(
        f"run {manifest.run_id} in {root}, restart {manifest.restart} of {manifest.parent}"
    )


@dataclass(frozen=True)
class _Beginning:
    """The manifest and the progress with which the next run starts."""

    run: OpenRun
    manifest: Manifest
    progress: Progress

    def write(self, directory: RunDirectory) -> None:
        """Write the first events of the run: the origin, and the progress at the origin."""
        run, manifest, progress = self.run, self.manifest, self.progress
        share_artifacts(run.directory, directory)
        restarted = RunRestarted(
            parent=run.manifest.run_id,
            restart=progress.restarts,
            node=progress.next_node,
            seq=run.events.head.seq,
            hash=run.events.head.hash,
            tree=progress.tree,
            begun=dict(run.state.begun),
            given=dict(run.state.answer_counts),
        )
        started = PipelineStarted(
            manifest.pipeline,
            manifest.run_id,
            manifest.content_hash,
            progress_to_record(progress),
        )
        begin_journal(
            directory,
            [restarted, started],
            run_id=manifest.run_id,
            clock=run.clock,
            redactor=run.redactor,
        )
