"""Walks a prepared run in this process, delivers the result, and evaluates the result."""

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from attractor.engine.budgets import NO_BUDGETS, read_budgets, record_budgets
from attractor.engine.interviews import RunQuestions
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.open_run import OpenRun, open_run, stop_run
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.runner import Runner
from attractor.engine.seams import PlayTrain
from attractor.engine.state.run_state import EVALUATING
from attractor.engine.walk.saved_conversations import SavedConversations
from attractor.engine.walk.waits import RunWaits
from attractor.language.preparation.prepare import KnownFiles
from attractor.pipeline.children.runner import Children
from attractor.pipeline.components.run_components import (
    Evaluation,
    PreparedRun,
    build_components,
    choose_interviewer,
)
from attractor.pipeline.end_notices import notify_end
from attractor.pipeline.fork.linked_run import make_next
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.notifications import Notifier, notifying
from attractor.pipeline.workspace.boot import boot
from attractor.pipeline.workspace.deliver import deliver, describe_changes
from attractor.records.drawing import keep_drawing
from attractor.workspaces.tracked_folder import TrackedFolder


def open_observed(root: Path, host: RunHost) -> OpenRun:
    """Open a run, and pass its events to the observer."""
    run = open_run(root, clock=host.clock, redactor=host.redactor, before_end=host.before_end)
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
    """Walk a run from its last step; after a success, deliver and evaluate the result.

    With `restores_sessions`, conversations that were lost with their process are rebuilt from the
    transcripts (R11). People are notified of the end.
    """
    result = await _walk_run(run, prepared, evaluation, restores_sessions)
    if not result.is_restarting:
        await notify_end(run, prepared.host)
    return result


async def _walk_run(
    run: OpenRun, prepared: PreparedRun, evaluation: Evaluation | None, restores_sessions: bool
) -> RunResult:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(prepared.workspace.close)
        if prepared.host.draws:
            await stack.enter_async_context(keep_drawing(run, prepared.pipeline.graph))
        if fault := await boot(run, prepared):
            return stop_run(run, fault)
        if evaluation:
            evaluation.begin(run, prepared)
        async with notifying(run, prepared.host) as notifier:
            play_train = evaluation.train(prepared) if evaluation and evaluation.train else None
            runner = await _build_runner(
                run, prepared, stack, notifier, restores_sessions, play_train
            )
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
    play_train: PlayTrain | None,
) -> Runner:
    pipeline, request, host = prepared.pipeline, prepared.request, prepared.host
    components = await build_components(
        pipeline,
        request,
        host,
        stack,
        questions=RunQuestions(run),
        interviewer=notifier.wrap(
            choose_interviewer(request, host, run, partial(_changed_so_far, run, prepared))
        ),
        play_train=play_train,
    )
    budgets = request.budgets.over(read_budgets(pipeline.graph)).within(host.budgets)
    record_budgets(run, budgets, by_caller=request.budgets)
    no_limit = "none: set one with --max-cost-usd, --max-tokens or --max-duration"
    host.tell(f"budget: {budgets if budgets != NO_BUDGETS else no_limit}")
    children = Children(
        parent=run,
        files=KnownFiles(pipeline.files),
        request=request,
        host=host,
        components=components,
        questions=RunQuestions(run),
        waits=(waits := RunWaits(run)),
        budgets=budgets,
        restores_sessions=restores_sessions,
    )
    saved = None
    if request.continues and not run.state.walks:
        earlier = RunDirectory(Path(request.continues))
        saved = SavedConversations(earlier, components.rebuild, is_earlier_run=True)
    elif restores_sessions:
        saved = SavedConversations(run.directory, components.rebuild)
    return Runner(
        pipeline.graph,
        run,
        handlers=components.handlers,
        workspace=prepared.workspace,
        inputs=request.feedback,
        steer=children.steer,
        children=children,
        budgets=budgets,
        interviewer=components.asking,
        saved_conversations=saved,
        waits=waits,
    )


async def _changed_so_far(run: OpenRun, prepared: PreparedRun) -> str:
    workspace = prepared.workspace
    if not isinstance(workspace, TrackedFolder):
        return ""
    return f"{await describe_changes(workspace, run.progress.tree)}; in {workspace.folder}"
