"""Begins a planned run: makes all writes of its start in one order."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.files import read_regular
from attractor.config.projects import PROJECT_FILE
from attractor.engine.run_folder.layout import Manifest, create_run_directory
from attractor.engine.run_folder.open_run import BeforeEnd, OpenRun, open_run
from attractor.engine.seams import Workspace
from attractor.engine.state.attempts import MAIN, TreeId
from attractor.engine.state.run_state import QUEUED
from attractor.engine.state.walks import last_tree
from attractor.engine.storage.secrets import Redactor
from attractor.environments.selection import with_repository
from attractor.pipeline.fork.create import create_fork
from attractor.pipeline.fork.linked_run import create_on_result, result_tree, settle_parent
from attractor.pipeline.garbage import end_orphans
from attractor.pipeline.plan.origins import Forked, New, Resumed
from attractor.pipeline.plan.run_plan import BegunRun, RunPlan
from attractor.pipeline.preflight.requirements import report_common_secrets
from attractor.pipeline.project.pinned_agents import find_pinned_agents, read_agents
from attractor.pipeline.project.project import Project
from attractor.pipeline.source.accept_change import accept_change
from attractor.pipeline.source.read import pipeline_name, replace_pipeline
from attractor.pipeline.workspace.create import (
    create_workspace,
    kind_here,
    open_workspace,
    work_folder,
)
from attractor.pipeline.workspace.journal_notes import LeftOutPaths, record_paths, record_set_aside
from attractor.pipeline.workspace.linked_worktree import borrow_repository, fill_repository
from attractor.records.lookup import run_root
from attractor.workspaces.folders import lock_writer


def open_observed(
    root: Path, project: Project, redactor: Redactor, before_end: BeforeEnd
) -> OpenRun:
    """Open a run, and pass its events to the observer."""
    machine, console = project.machine, project.console
    clock, fences = machine.clock, machine.fences
    run = open_run(root, clock=clock, redactor=redactor, fences=fences, before_end=before_end)
    if console.observer:
        console.subscriptions.subscribe(run.events, console.observer)
    return run


async def begin(plan: RunPlan, stack: ExitStack) -> BegunRun:
    """Begin a planned run: pin its agents, make or open its directory and its workspace.

    The exit stack closes the directory, unless it was open before. First all faults that preflight
    found are raised.
    """
    _tell(plan)
    agents, scope = plan.origin.agents, plan.scope
    project, tell = scope.project, scope.project.console.tell
    machine = project.machine
    if not agents and plan.origin.walks:
        pinned = read_agents(project)
        pinned.keep(machine)
        agents = pinned.digest
        scope = replace(scope, agents_folder=find_pinned_agents(machine, agents))
    # The manifest keeps the chosen sandbox and model, because a resume must use the same ones.
    plan = replace(plan, scope=scope, request=replace(plan.request, sandbox=plan.sandbox.kind))
    _lock_folder(plan, stack)
    _keep_settings(plan, stack, tell)
    left_out = LeftOutPaths(ours=record_paths(plan.request), tell=tell)
    repository = borrow_repository(plan.request, project, plan.sandbox_of_stages, stack)
    sandbox = plan.sandbox_of_stages
    sandbox = with_repository(sandbox, repository) if repository else sandbox
    if repository:
        tell(_COMMITS)
        note = "\n\n".join(filter(None, [plan.policy.task_note, _COMMITS_OF_AGENT]))
        plan = replace(plan, policy=replace(plan.policy, task_note=note))
    where = plan.request, scope, plan.run_id, sandbox
    match plan.origin:
        case New() as origin:
            begins = plan.request.builds_on or plan.request.submission
            create = create_on_result if begins else partial(create_workspace, commit=origin.commit)
            workspace = await create(*where, on_snapshot=left_out.record_new)
            await fill_repository(repository, workspace, project)
            left_out.run = run = stack.enter_context(_create(plan, origin, workspace, agents))
            return BegunRun(plan, run, workspace)
        case Forked() as origin:
            root = await create_fork(plan, origin, agents)
            run = stack.enter_context(
                open_observed(root, project, scope.redactor, plan.rules.before_end)
            )
        case Resumed(run=run):
            await _settle(plan, run)
    left_out.run = run
    tree = _last_tree(plan, run)
    workspace = await open_workspace(*where, on_snapshot=left_out.record_new, tree=tree)
    await fill_repository(repository, workspace, project)
    record_set_aside(run, workspace)
    if not plan.origin.is_resumed:
        # A resume leaves the files of a person, and a rewind is about them.
        aside = run.directory.incidents / "rewound"
        await workspace.restore(run.progress.tree, set_aside=aside)
    elif plan.change:
        accept_change(run, plan.change, project)
    return BegunRun(plan, run, workspace)


_COMMITS = (
    "The project is a linked worktree: its commands commit to a repository that is removed at the "
    "end. The files stay: commit them yourself, unless this is a task of an actor."
)


_COMMITS_OF_AGENT = (
    "The repository of this folder is a copy that is removed at the end: commits, branches and "
    "stashes vanish with it, and the files stay. Do not commit, unless the task says so, and do "
    "not report a commit as a result."
)


def _last_tree(plan: RunPlan, run: OpenRun) -> TreeId:
    """Return the tree of the last stage, or that with which the run begins."""
    if run.state.walks:
        return last_tree(run.state.walks, MAIN)
    return result_tree(plan.request, plan.scope.project) or run.manifest.base.candidate


def _lock_folder(plan: RunPlan, stack: ExitStack) -> None:
    """Lock the folder of a person in which the run works, or refuse a second run there."""
    request, project = plan.request, plan.scope.project
    kind = kind_here(request)
    if kind.create and not kind.is_apart:
        folder, state = work_folder(request, project), project.machine.state_dir
        stack.enter_context(lock_writer(folder, state, run_id=plan.run_id))


def _keep_settings(plan: RunPlan, stack: ExitStack, tell: Callable[[str], None]) -> None:
    """Move settings aside that appear in the folder of a person while agents write there.

    They name commands that Attractor starts without a sandbox. Existing ones are read-only there.
    """
    request, project = plan.request, plan.scope.project
    kind = kind_here(request)
    file = work_folder(request, project) / PROJECT_FILE
    if kind.is_apart or plan.sandbox.settings is None or file.exists():
        return

    def move() -> None:
        if file.exists():
            # A name of its own: a person may have kept an earlier one.
            aside = file.rename(file.with_name(f"{PROJECT_FILE}.of-{plan.run_id}"))
            tell(f"{file} was made during the run: look at {aside}, and rename it to use it.")

    stack.callback(move)


def _tell(plan: RunPlan) -> None:
    """Tell a person what the plan found; a restart repeats nothing of the run that it continues."""
    sandbox, about = plan.sandbox, plan.policy.notices
    if plan.origin.is_restart:
        about = ()
    else:
        report_common_secrets(plan.scope.project)
    where = sandbox.sentence
    if plan.request.place:
        where = f"{plan.sandbox_of_stages.sentence} Trials work here: {where}"
    for sentence in (*about, where, *plan.report.notices):
        plan.scope.project.console.tell(sentence)


def _create(plan: RunPlan, origin: New, workspace: Workspace, agents: str) -> OpenRun:
    """Create the directory of a new run, and open it."""
    pipeline, request, scope = plan.pipeline, plan.request, plan.scope
    project = scope.project
    manifest = Manifest(
        run_id=plan.run_id,
        pipeline=pipeline_name(pipeline.graph, request.file),
        goal=pipeline.graph.goal,
        started=project.machine.clock.now(),
        content_hash=pipeline.content_hash,
        base=workspace.base,
        suite=request.suite,
        profile=request.profile,
        agents=agents,
        options=request.redacted_record(scope.redactor),
        versions={"attractor": project.machine.version},
        promises=plan.sandbox_of_stages.promises,
    )
    root = origin.root or run_root(plan.run_id, project.runs_dir)
    create_run_directory(
        root, manifest, pipeline.text, files=pipeline.files, redactor=scope.redactor
    )
    project.console.tell(f"run {plan.run_id} in {root}")
    return open_observed(root, project, scope.redactor, plan.rules.before_end)


async def _settle(plan: RunPlan, run: OpenRun) -> None:
    """Complete what a killed process left of a run, and end its processes."""
    if run.manifest.restart and run.state.status == QUEUED:
        settle_parent(run.directory, run.manifest, plan.scope, plan.rules.before_end)
    saved = plan.change.before if plan.change else plan.pipeline
    if read_regular(run.directory.graph) != saved.text.encode():
        # An accepted change was interrupted.
        replace_pipeline(run.directory, saved)
    # They may still write into the workspace.
    await end_orphans(run)
    agents, project = plan.origin.agents, plan.scope.project
    if agents and read_agents(project).digest != agents:
        project.console.tell(
            f"The agents in {project.agents_folder} were changed since {plan.run_id} began; "
            "it keeps its own."
        )
