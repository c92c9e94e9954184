"""Walks a prepared run in this process, delivers its result, and has it evaluated."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.budgets import read_budgets, record_budgets
from attractor.engine.interviews import RunQuestions
from attractor.engine.run_folder.drawing import keep_drawing
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.runner import Runner
from attractor.engine.seams import Workspace
from attractor.engine.state.run_state import EVALUATING
from attractor.engine.walk.saved_conversations import SavedConversations
from attractor.environments.selection import Choice
from attractor.pipeline.children.runner import Children
from attractor.pipeline.components.handlers import build_components
from attractor.pipeline.components.interviewer import choose_interviewer
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.notifications.notifier import Notifier, notifying
from attractor.pipeline.request import RunRequest
from attractor.pipeline.restart import make_next
from attractor.pipeline.source.read import PipelineSource
from attractor.pipeline.workspace.boot import boot
from attractor.pipeline.workspace.deliver import give_back


@dataclass(frozen=True)
class EndedWalk:
    """A walk that ended well, for whoever judges it while the run is still held."""

    run: OpenRun
    request: RunRequest
    workspace: Workspace
    place: Choice
    host: RunHost


Finish = Callable[[EndedWalk], Awaitable[None]]


Begin = Callable[[OpenRun, Choice], None]


async def rest(ended: EndedWalk) -> None:
    """Leave a run that ended well where it is."""


def unwitnessed(run: OpenRun, place: Choice) -> None:
    """Take no note of a walk that begins or goes on."""


@dataclass(frozen=True)
class Judge:
    """Who takes note of a walk that begins or goes on, and who judges it when it ended well."""

    begin: Begin = unwitnessed
    finish: Finish = rest


NOBODY = Judge()


@dataclass(frozen=True)
class RunSession:
    """A run that begins or goes on in this process, with all it needs.

    Conversations that are lost are taken up from the disk where sessions are to be restored (ruling
    R11).
    """

    pipeline: PipelineSource
    request: RunRequest
    host: RunHost
    workspace: Workspace
    place: Choice
    judge: Judge
    restores_sessions: bool = False

    async def go(self, run: OpenRun) -> RunResult:
        """Walk; when it ended well, give the project its branch and have the result judged."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.workspace.close)
            if self.host.draws:
                await stack.enter_async_context(keep_drawing(run, self.pipeline.graph))
            await boot(run, self.workspace, request=self.request, place=self.place, host=self.host)
            self.judge.begin(run, self.place)
            async with notifying(run, self.host) as notifier:
                runner = await self._runner(run, stack, notifier)
                result = await runner.run()
            if result.is_restarting:
                await make_next(run, self.pipeline, self.request, self.host)
            else:
                await give_back(
                    run,
                    self.workspace,
                    graph=self.pipeline.graph,
                    request=self.request,
                    host=self.host,
                )
            if result.status != EVALUATING:
                return result
            ended = EndedWalk(run, self.request, self.workspace, self.place, self.host)
            await self.judge.finish(ended)
            return result_of(run.manifest, run.directory.root, run.state)

    async def _runner(self, run: OpenRun, stack: AsyncExitStack, notifier: Notifier) -> Runner:
        crew = await build_components(
            self.pipeline,
            self.request,
            self.host,
            stack,
            questions=RunQuestions(run),
            interviewer=notifier.beside(choose_interviewer(self.request, self.host, run)),
        )
        budgets = self.request.budgets.over(read_budgets(self.pipeline.graph))
        record_budgets(run, budgets)
        children = Children(
            parent=run,
            request=self.request,
            host=self.host,
            crew=crew,
            questions=RunQuestions(run),
            budgets=budgets,
            restores_sessions=self.restores_sessions,
        )
        saved = SavedConversations(run.directory, crew.rebuild) if self.restores_sessions else None
        return Runner(
            self.pipeline.graph,
            run,
            handlers=crew.handlers,
            workspace=self.workspace,
            steer=children.steer,
            children=children,
            budgets=budgets,
            interviewer=crew.asking,
            saved_conversations=saved,
        )


def open_watched(root: Path, host: RunHost) -> OpenRun:
    """Take a run, and hand on what happens in it."""
    run = open_run(root, clock=host.clock, redactor=host.redactor)
    host.news.hand_on(run.events, host.watch)
    return run
