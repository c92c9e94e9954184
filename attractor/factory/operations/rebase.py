"""Merges the result of a run onto a branch that moved, in a linked run that only evaluates."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.errors import Refused
from attractor.engine.journal.events import PipelineStarted, RunForked
from attractor.engine.run_folder.layout import Manifest, RunDirectory, create_run_directory
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.progress import Progress, progress_to_record
from attractor.engine.state.run_state import APPROVED, AWAITING_DECISION
from attractor.factory.candidate_run import before_a_decision, facts_of
from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.promotion import (
    branch_name,
    find_branch,
    require_isolated,
    some_paths,
)
from attractor.factory.errors import MergeConflict, NothingToMerge
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.resume import resume_run
from attractor.factory.pulls.rounds import has_open_pull
from attractor.pipeline.fork.linked_run import begin_journal, create_on_commit, share_artifacts
from attractor.pipeline.project.project import Project
from attractor.pipeline.source.read import read_saved_pipeline
from attractor.pipeline.workspace.create import require_trees
from attractor.records.lookup import reference_of, run_root
from attractor.records.request import Overrides, RunRequest
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import write_tree
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.merge import merge_trees
from attractor.workspaces.result_tree import candidate_files
from attractor.workspaces.run_store import WorkspaceRecord, open_store


async def rebase_run(
    root: Path, opened: OpenProject, *, branch: str, by: str, new_id: str = ""
) -> RunResult:
    """Merge the candidate of a run onto a branch, and evaluate the merged tree without an agent.

    `new_id` is the id of the linked run (default: a new id).
    """
    opened.refuse_in_run("a rebase")
    new_id = new_id or opened.project.machine.new_run_id()
    with lock_run(root, opened) as run:
        new = await _create(run, opened, branch, by, new_id)
    return await resume_run(new, opened, Overrides(evaluate=True))


async def _create(run: OpenRun, opened: OpenProject, branch: str, by: str, new_id: str) -> Path:
    """Create the linked run, and return its directory."""
    project, machine = opened.project, opened.project.machine
    request, run_id = require_isolated(run), run.manifest.run_id
    # This also verifies the records of the run.
    Evaluator(opened).judged(facts_of(run))
    opened.require_in_use(run.manifest.suite, run.manifest.profile)
    if run.state.status not in (AWAITING_DECISION, APPROVED):
        raise Refused(
            f"{run_id} is {run.state.status}, and only a successful run can be rebased",
            hint=before_a_decision(
                run.state.status, reference_of(run.directory.root, opened.project.runs_dir)
            ),
        )
    require_trees(request, project, run_id)
    repository = await open_repository(project.root, search_path=machine.search_path)
    store, record = open_store(
        machine.state_dir,
        run_id,
        search_path=machine.search_path,
        borrow_from=repository.objects,
    )
    branch = await branch_name(repository, branch)
    commit = await find_branch(repository, branch, since=record.base.commit)
    if commit == record.base.commit:
        name = reference_of(run.directory.root, opened.project.runs_dir)
        promote = f"attractor promote {name} --to {branch}"
        if has_open_pull(run_id, list(opened.ledger.entries(run_id))):
            promote = "get the target of its pull request first: git pull"
        decide = f"it needs no rebase, but a decision: attractor decide {name}"
        raise Refused(
            f"{branch} has not moved since {run_id} started",
            hint=promote if run.state.status == APPROVED else decide,
        )
    tree = await _merge(run, store, record, await repository.tree(commit), branch)
    base = await create_on_commit(
        project, new_id, repository, store, record.excluded, record.leave_out, commit, tree
    )
    manifest = replace(
        run.manifest,
        run_id=new_id,
        started=machine.clock.now(),
        base=base,
        parent=run_id,
        forked_at="",
        restart=0,
        # The base is the commit of the branch.
        options=replace(request, include_dirty=False).redacted_record(project.redactor),
        versions={"attractor": machine.version},
    )
    root = run_root(new_id, opened.project.runs_dir)
    _write(run, root, manifest, request, tree, project)
    data = {"run_id": new_id, "branch": branch, "commit": commit, "by": by}
    run.emit("RunRebased", data, sync=True)
    project.console.tell(f"run {new_id} in {root}, {run_id} rebased onto {branch}")
    return root


async def _merge(
    run: OpenRun, store: ObjectStore, record: WorkspaceRecord, target: TreeId, branch: str
) -> TreeId:
    """Return the candidate tree with the changes of the branch; refuse a conflict."""
    files = candidate_files(await store.files_of(target), record.excluded)
    theirs = (await in_thread(partial(write_tree, store.objects, files))).hex()
    base = record.base.candidate
    merged = await merge_trees(store, [theirs, run.progress.tree], base=base)
    if merged.conflicts:
        conflict = MergeConflict(
            f"{branch} and the run changed the same lines: {some_paths(merged.conflicts)}",
            hint="start a new run from the current commit of the branch",
        )
        conflict.paths, conflict.lines = merged.conflicts, "\n".join(merged.lines.values())
        raise conflict
    if merged.tree == theirs:
        raise NothingToMerge(f"{branch} already contains the changes of {run.manifest.run_id}")
    return merged.tree


def _write(
    run: OpenRun,
    root: Path,
    manifest: Manifest,
    request: RunRequest,
    tree: TreeId,
    project: Project,
) -> None:
    """Create the directory of the linked run, whose walk is over from the start."""
    pipeline = read_saved_pipeline(
        run.directory,
        run.manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=project.parts,
        environ=project.machine.environ,
    )
    # The usage is kept, because the limits of cost cover the work of both runs.
    progress = replace(run.progress, tree=tree, seconds=0.0)
    manifest = replace(manifest, content_hash=pipeline.content_hash)
    create_run_directory(
        root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        begin=partial(_begin, run, manifest, progress),
        redactor=project.redactor,
    )


def _begin(run: OpenRun, manifest: Manifest, progress: Progress, directory: RunDirectory) -> None:
    """Write the first events: the origin, and the progress at the end of the walk."""
    share_artifacts(run.directory, directory)
    node = progress.current_node
    forked = RunForked(
        parent=run.manifest.run_id,
        node=node,
        visit=progress.visits(node),
        seq=run.events.head.seq,
        hash=run.events.head.hash,
        tree=progress.tree,
        begun=dict(run.state.begun),
        given=dict(run.state.answer_counts),
    )
    started = PipelineStarted(
        manifest.pipeline, manifest.run_id, manifest.content_hash, progress_to_record(progress)
    )
    begin_journal(
        directory,
        [forked, started],
        run_id=manifest.run_id,
        clock=run.clock,
        redactor=run.redactor,
    )
