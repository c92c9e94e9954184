"""Walks a begun run in this process, delivers the result, and evaluates the result."""

from contextlib import AsyncExitStack
from functools import partial

from attractor.engine.budgets import NO_BUDGETS, record_budgets
from attractor.engine.interviews import RunQuestions
from attractor.engine.run_folder.open_run import stop_run
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.runner import Runner
from attractor.engine.seams import Exhausted
from attractor.engine.state.run_state import EVALUATING
from attractor.engine.walk.saved_conversations import SavedConversations
from attractor.engine.walk.waits import RunWaits
from attractor.pipeline.boot import boot
from attractor.pipeline.children.runner import Children
from attractor.pipeline.components.run_components import build_components, choose_interviewer
from attractor.pipeline.end_notices import notify_end
from attractor.pipeline.fork.linked_run import make_next, result_tree
from attractor.pipeline.notifications import Notifier, notifying
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.pipeline.workspace.deliver import deliver, describe_changes, note_carried_changes
from attractor.workspaces.tracked_folder import TrackedFolder


async def walk_plan(begun: BegunRun) -> RunResult:
    """Walk a begun run from its last step; after a success, deliver and evaluate the result.

    People are notified of the end.
    """
    result = await _walk(begun)
    if not result.is_restarting:
        await notify_end(begun.run, begun.plan.scope.project)
    return result


async def _walk(begun: BegunRun) -> RunResult:
    plan, run, workspace = begun.plan, begun.run, begun.workspace
    scope, graph, policy = plan.scope, plan.pipeline.graph, plan.policy
    async with AsyncExitStack() as stack:
        stack.push_async_callback(workspace.close)
        if fault := await boot(begun):
            return stop_run(run, fault)
        policy.begin(begun)
        if plan.rules.await_turn:
            await plan.rules.await_turn(begun)
        async with notifying(run, scope.project) as notifier:
            runner = await _build_runner(begun, stack, notifier)
            result = await runner.run()
        if result.is_restarting:
            await make_next(run, plan)
            return result
        await note_carried_changes(run, plan.request, scope)
        if policy.delivers:
            await deliver(run, workspace, graph=graph, request=plan.request, project=scope.project)
        if result.status == EVALUATING and policy.finish:
            try:
                await policy.finish(begun)
            except Exhausted as exhausted:
                return stop_run(run, str(exhausted))
            return result_of(run.manifest, run.directory.root, run.state)
        return result


async def _build_runner(begun: BegunRun, stack: AsyncExitStack, notifier: Notifier) -> Runner:
    plan, run = begun.plan, begun.run
    pipeline, request, scope, policy = plan.pipeline, plan.request, plan.scope, plan.policy
    components = await build_components(
        pipeline,
        request,
        scope,
        stack,
        questions=RunQuestions(run),
        interviewer=notifier.wrap(
            choose_interviewer(request, scope, run, partial(_changed_so_far, begun))
        ),
        play_train=policy.train(begun) if policy.train else None,
        task_note=policy.task_note,
    )
    budgets = plan.budgets
    record_budgets(run, budgets, by_caller=request.budgets)
    if budgets != NO_BUDGETS:
        scope.project.console.tell(f"budget: {budgets}")
    children = Children(
        parent=run,
        plan=plan,
        components=components,
        questions=RunQuestions(run),
        waits=(waits := RunWaits(run)),
        budgets=budgets,
    )
    saved = earlier = None
    if request.continues:
        continued, until = request.continues.find(run.directory)
        earlier = SavedConversations(continued, components.rebuild, until=until)
    # A run that continues another one is nothing without the conversation.
    if earlier or plan.origin.restores_sessions:
        saved = SavedConversations(run.directory, components.rebuild, earlier=earlier)
    return Runner(
        pipeline.graph,
        run,
        handlers=components.handlers,
        workspace=begun.workspace,
        inputs=request.feedback,
        tree=result_tree(request, scope.project),
        steer=children.steer,
        children=children,
        budgets=budgets,
        interviewer=components.asking,
        saved_conversations=saved,
        permissions=plan.permissions,
        rebuild=components.rebuild,
        waits=waits,
    )


async def _changed_so_far(begun: BegunRun) -> str:
    workspace = begun.workspace
    if not isinstance(workspace, TrackedFolder):
        return ""
    return f"{await describe_changes(workspace, begun.run.progress.tree)}; in {workspace.folder}"
