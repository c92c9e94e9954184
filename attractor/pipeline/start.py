"""Starts runs, resumes them and walks them to their end."""

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.errors import UsageError
from attractor.base.ids import new_run_id
from attractor.engine.budgets import read_budgets, record_budgets
from attractor.engine.errors import RunOver
from attractor.engine.interviews import RunQuestions
from attractor.engine.run_folder.drawing import keep_drawing
from attractor.engine.run_folder.layout import (
    CHILDREN,
    Manifest,
    create_run_directory,
    require_free,
)
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.runner import Runner
from attractor.engine.state.run_state import EVALUATING, QUEUED
from attractor.engine.walk.saved_conversations import SavedConversations
from attractor.environments.selection import EnvironmentChoice, require_promised
from attractor.pipeline.children.runner import Children
from attractor.pipeline.components.run_components import (
    Evaluation,
    PreparedRun,
    build_components,
    choose_interviewer,
)
from attractor.pipeline.fork.linked_run import follow_restarts, make_next, settle_parent
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.notifications.notifier import Notifier, notifying
from attractor.pipeline.preflight.preflight import preflight
from attractor.pipeline.preflight.requirements import report_unredacted
from attractor.pipeline.request import (
    NO_OVERRIDES,
    Overrides,
    RunRequest,
    read_request,
    secret_overrides,
)
from attractor.pipeline.runs.garbage import end_left_running
from attractor.pipeline.runs.lookup import run_root, whole_of
from attractor.pipeline.source.accept_change import accept_change, plan_change
from attractor.pipeline.source.read import (
    PipelineSource,
    open_pipeline,
    project_of,
    read_saved_pipeline,
    replace_pipeline,
)
from attractor.pipeline.workspace.boot import boot
from attractor.pipeline.workspace.create import (
    choose_sandbox,
    choose_workspace_kind,
    create_workspace,
    open_workspace,
)
from attractor.pipeline.workspace.deliver import deliver
from attractor.pipeline.workspace.journal_notes import LeftOut, ours_in, tell_set_aside


def open_observed(root: Path, host: RunHost) -> OpenRun:
    """Open a run, and pass its events to the observer."""
    run = open_run(root, clock=host.clock, redactor=host.redactor)
    if host.observer:
        host.subscriptions.subscribe(run.events, host.observer)
    return run


async def walk_run(
    run: OpenRun,
    prepared: PreparedRun,
    *,
    evaluation: Evaluation | None = None,
    restores_sessions: bool = False,
) -> RunResult:
    """Walk a run from its position; when it succeeded, deliver its result and evaluate it.

    With `restores_sessions`, conversations that ended with their process are rebuilt from the
    transcripts (R11).
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(prepared.workspace.close)
        if prepared.host.draws:
            await stack.enter_async_context(keep_drawing(run, prepared.pipeline.graph))
        await boot(run, prepared)
        if evaluation:
            evaluation.begin(run, prepared.sandbox)
        async with notifying(run, prepared.host) as notifier:
            runner = await _build_runner(run, prepared, stack, notifier, restores_sessions)
            result = await runner.run()
        if result.is_restarting:
            await make_next(run, prepared)
            return result
        await deliver(
            run,
            prepared.workspace,
            graph=prepared.pipeline.graph,
            request=prepared.request,
            host=prepared.host,
        )
        if result.status == EVALUATING and evaluation and evaluation.finish:
            await evaluation.finish(run, prepared)
            return result_of(run.manifest, run.directory.root, run.state)
        return result


async def _build_runner(
    run: OpenRun,
    prepared: PreparedRun,
    stack: AsyncExitStack,
    notifier: Notifier,
    restores_sessions: bool,
) -> Runner:
    pipeline, request, host = prepared.pipeline, prepared.request, prepared.host
    components = await build_components(
        pipeline,
        request,
        host,
        stack,
        questions=RunQuestions(run),
        interviewer=notifier.beside(choose_interviewer(request, host, run)),
    )
    budgets = request.budgets.over(read_budgets(pipeline.graph))
    record_budgets(run, budgets)
    children = Children(
        parent=run,
        request=request,
        host=host,
        components=components,
        questions=RunQuestions(run),
        budgets=budgets,
        restores_sessions=restores_sessions,
    )
    saved = SavedConversations(run.directory, components.rebuild) if restores_sessions else None
    return Runner(
        pipeline.graph,
        run,
        handlers=components.handlers,
        workspace=prepared.workspace,
        steer=children.steer,
        children=children,
        budgets=budgets,
        interviewer=components.asking,
        saved_conversations=saved,
    )


async def resume(
    root: Path,
    host: RunHost,
    overrides: Overrides = NO_OVERRIDES,
    *,
    evaluation: Evaluation | None = None,
) -> RunResult:
    """Resume a run, then each run that restarts it, until one rests or ends."""
    result = await continue_run(root, host, overrides, evaluation=evaluation)
    restart = partial(
        continue_run, host=host, overrides=overrides, evaluation=evaluation, is_restart=True
    )
    return await follow_restarts(result, restart, host)


async def continue_run(
    root: Path,
    host: RunHost,
    overrides: Overrides,
    *,
    evaluation: Evaluation | None = None,
    is_restart: bool = False,
) -> RunResult:
    """Continue one run where its journal ends; `is_restart` if another run restarted as it."""
    host = host.with_secrets(overrides.secrets(host.redactor))
    # The lock comes first: a run that another process holds is not even read.
    with open_observed(root, host) as run:
        _require_whole(run)
        if run.state.status.is_final and run.state.is_restarting:
            return replace(result_of(run.manifest, root, run.state), is_restarting=True)
        _require_resumable(run)
        if run.manifest.restart and run.state.status == QUEUED:
            settle_parent(run.manifest, host)
        request = read_request(run.manifest)
        if not is_restart:
            overrides.require_withheld(request)
        request = overrides.apply(request, host.environ)
        pipeline = _read_pipeline(run, request, host)
        host = host.with_secrets(pipeline.secrets.values())
        change = None
        if run.state.may_walk and not is_restart:
            change = plan_change(run, pipeline, request, host, by=overrides.accepts_graph)
            pipeline = change.pipeline if change else pipeline
        request = request.with_inputs(pipeline.secrets)
        sandbox = await _require_sandbox(run, pipeline, request, host)
        if not is_restart:
            report_unredacted(host)
        host.tell(sandbox.sentence)
        # Processes of the killed runner end first: they may still write into the workspace.
        await end_left_running(run)
        left_out = LeftOut(run, ours=ours_in(request))
        workspace = await open_workspace(
            request, host, run.manifest.run_id, sandbox, on_snapshot=left_out.hear
        )
        tell_set_aside(run, workspace, request.workspace)
        if change:
            accept_change(run, change, host)
        prepared = PreparedRun(pipeline, request, host, sandbox, workspace)
        return await walk_run(
            run, prepared, evaluation=evaluation, restores_sessions=overrides.restores_sessions
        )


def _require_whole(run: OpenRun) -> None:
    """Refuse a child: its parent resumes it."""
    root = run.directory.root
    if root.parent.name == CHILDREN:
        raise UsageError(
            f"{run.manifest.run_id} is part of run {whole_of(root)}",
            hint=f"resume that run: attractor resume {whole_of(root)}",
        )


def _require_resumable(run: OpenRun) -> None:
    """Refuse a run that is over before its workspace is opened, which may have been freed."""
    if run.state.status.is_final:
        raise RunOver(
            f"{run.manifest.run_id} is {run.state.status} for good",
            hint="go back in it with attractor rewind, or start a new run: attractor run",
        )


def _read_pipeline(run: OpenRun, request: RunRequest, host: RunHost) -> PipelineSource:
    """Read the pipeline of a run; an accepted change that was interrupted is finished."""
    pipeline = read_saved_pipeline(
        run.directory,
        run.manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=host.custom_parts,
        environ=host.environ,
    )
    if run.directory.graph.read_bytes() != pipeline.text.encode():
        replace_pipeline(run.directory, pipeline)
    return pipeline


async def _require_sandbox(
    run: OpenRun, pipeline: PipelineSource, request: RunRequest, host: RunHost
) -> EnvironmentChoice:
    """Return the sandbox after preflight; a run that only waits for its evaluation needs none."""
    run_id = run.manifest.run_id
    if run.state.may_walk or run.state.is_restarting:
        report = await preflight(pipeline, request, host, run_id=run_id)
        sandbox = report.require_ok()
    else:
        sandbox = await choose_sandbox(request, host, run_id=run_id)
    require_promised(run.manifest.promises, sandbox)
    return sandbox


async def start(
    request: RunRequest,
    host: RunHost,
    *,
    root: Path | None = None,
    suite_pipeline: str = "",
    evaluation: Evaluation | None = None,
) -> RunResult:
    """Start a run; `suite_pipeline` is the name of the pipeline that its suite is for."""
    pipeline = open_pipeline(
        str(request.file), goal=request.goal, inputs=request.inputs, project=project_of(host)
    )
    host = host.with_secrets(pipeline.secrets.values())
    request = (await choose_workspace_kind(request, host)).with_inputs(pipeline.secrets)
    if root is not None:
        require_free(root)
    run_id = new_run_id(host.clock.now(), host.randomness)
    report = await preflight(
        pipeline, request, host, run_id=run_id, suite_pipeline=suite_pipeline, is_new=True
    )
    sandbox = report.require_ok()
    report_unredacted(host)
    host.tell(sandbox.sentence)
    # `auto` found this sandbox: resume must find the same one.
    request = replace(request, sandbox=sandbox.kind)
    left_out = LeftOut(ours=ours_in(request))
    workspace = await create_workspace(request, host, run_id, sandbox, on_snapshot=left_out.hear)
    prepared = PreparedRun(pipeline, request, host, sandbox, workspace)
    root = root or run_root(run_id, host)
    create_run_directory(
        root,
        _manifest(run_id, prepared),
        pipeline.text,
        files=pipeline.files,
        redactor=host.redactor,
    )
    host.tell(f"run {run_id} in {root}")
    with open_observed(root, host) as run:
        left_out.run = run
        result = await walk_run(run, prepared, evaluation=evaluation)
    overrides = secret_overrides(request, host.redactor)
    restart = partial(
        continue_run, host=host, overrides=overrides, evaluation=evaluation, is_restart=True
    )
    return await follow_restarts(result, restart, host)


def _manifest(run_id: str, prepared: PreparedRun) -> Manifest:
    pipeline, request, host = prepared.pipeline, prepared.request, prepared.host
    return Manifest(
        run_id=run_id,
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=host.clock.now(),
        content_hash=pipeline.content_hash,
        base=prepared.workspace.base,
        suite=request.suite,
        profile=request.profile,
        options=request.redacted_record(host.redactor),
        versions={"attractor": host.version},
        promises=prepared.sandbox.promises,
    )
