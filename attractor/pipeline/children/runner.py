"""Runs child pipelines, each in its own workspace or in the workspace of the parent."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.base.events import Event
from attractor.base.files import sync_folder
from attractor.base.ids import new_run_id
from attractor.engine.budgets import NO_BUDGETS, Budgets, read_budgets
from attractor.engine.interviews import ChildQuestions, Questions
from attractor.engine.journal.events import Action, OperatorAction
from attractor.engine.outcome import Usage
from attractor.engine.run_folder.layout import Manifest, RunDirectory, create_run_directory
from attractor.engine.run_folder.open_run import OpenRun, end_run, open_run
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.runner import Runner
from attractor.engine.seams import PATCH_LIMIT, Base, Child, Workspace
from attractor.engine.state.attempts import TreeId
from attractor.engine.walk.saved_conversations import SavedConversations
from attractor.engine.walk.waits import RunWaits
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.diagnostics import NotRunnable, error
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import KnownFiles
from attractor.pipeline.children.child import (
    ChildRounds,
    Equipment,
    Provision,
    RunningChild,
    stopping,
    withdrawing,
)
from attractor.pipeline.components.run_components import RunComponents, build_components
from attractor.pipeline.end_notices import notify_end
from attractor.pipeline.fork.linked_run import make_next_child
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.pipeline.preflight.requirements import find_secrets_in_pipeline
from attractor.pipeline.project.console import Observer
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import (
    PipelineSource,
    context_of,
    read_child,
    read_saved_pipeline,
)
from attractor.records.lookup import child_directory, remove_incomplete
from attractor.records.request import RunRequest


@dataclass(frozen=True)
class ChildWorkspace:
    """The workspace of a child: the parent's workspace, with other names for dimensions.

    Branches of the parent or of other children may have the same names at the same time, so each
    name begins with the name of the child.
    """

    parent: Workspace
    child: str

    @property
    def base(self) -> Base:
        """The commit and the trees at the start of the parent's workspace."""
        return self.parent.base

    @property
    def sets_back(self) -> bool:
        """Whether a resume and a retry restore the folder."""
        return self.parent.sets_back

    @property
    def environment(self) -> ExecutionEnvironment:
        """The environment of the stage in flight."""
        return self.parent.environment

    async def snapshot(self, subject: str) -> TreeId:
        """Return the id of a tree with the current files."""
        return await self.parent.snapshot(subject)

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        """Restore the folder to a tree."""
        await self.parent.restore(tree, set_aside=set_aside)

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        """Return the paths that differ between two trees."""
        return await self.parent.changed(since, until)

    async def patch(self, since: TreeId, until: TreeId, *, most: int = PATCH_LIMIT) -> str:
        """Return the patch between two trees, for people."""
        return await self.parent.patch(since, until, most=most)

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        """Return the first bytes of the patch between two trees."""
        return await self.parent.diff(since, until, most=most, binary=binary)

    async def export(self, tree: TreeId, to: Path, *, repository: bool = False) -> None:
        """Write the files of a tree into a folder."""
        await self.parent.export(tree, to, repository=repository)

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "ChildWorkspace":
        """Return the dimension of the child with a name."""
        forked = await self.parent.fork(self._own(name), tree, shared=shared)
        return ChildWorkspace(forked, self.child)

    async def discard(self, name: str) -> None:
        """Remove the folder of a dimension of the child."""
        await self.parent.discard(self._own(name))

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        """Merge the changes of trees since their base into the folder, and keep other paths."""
        return await self.parent.adopt(trees, base=base)

    async def close(self) -> None:
        """Close the workspace."""
        await self.parent.close()

    def _own(self, name: str) -> str:
        return f"{self.child}/{name}"


def make_child_directory(
    directory: RunDirectory,
    parent: Manifest,
    pipeline: PipelineSource,
    request: RunRequest,
    scope: RunScope,
    *,
    base: Base,
) -> None:
    """Make the run directory of a child."""
    _require_no_secrets(pipeline, scope)
    machine = scope.project.machine
    now = machine.clock.now()
    manifest = Manifest(
        run_id=new_run_id(now, machine.randomness),
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=now,
        content_hash=pipeline.content_hash,
        base=base,
        parent=parent.run_id,
        options=request.redacted_record(scope.redactor),
        versions={"attractor": machine.version},
        promises=parent.promises,
    )
    remove_incomplete(directory.root)
    create_run_directory(
        directory.root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        redactor=scope.redactor,
    )
    # The folder of the children may be new as well.
    sync_folder(directory.root.parent.parent)


def _require_no_secrets(pipeline: PipelineSource, scope: RunScope) -> None:
    """Refuse secrets in values that were set after the start of the run."""
    faults = [*find_secrets_in_pipeline(pipeline, scope.redactor, scope.project.machine.environ)]
    for name, value in pipeline.shown.items():
        if value in scope.secrets:
            message = f"the input {name} contains a secret, but is not declared as a secret"
            faults.append(error(message, pipeline.graph.span, fix=f"declare {name}:secret"))
    if faults:
        raise NotRunnable(pipeline.graph.name, faults)


DEEPEST = 8
"""The maximum depth of nested runs; a pipeline that runs itself fails at this depth."""


@dataclass(frozen=True, kw_only=True)
class Children:
    """Starts and resumes the child runs of one run.

    If the run itself is a child, `outer` are the parents of the run. Running children are
    identified by name. The plan of a child derives from the `plan` of the run, whose pipeline
    includes the files of all its children.
    """

    parent: OpenRun
    plan: RunPlan
    components: RunComponents
    questions: Questions
    waits: RunWaits
    budgets: Budgets = NO_BUDGETS
    outer: "Children | None" = None
    running_children: dict[str, RunningChild] = field(default_factory=dict[str, RunningChild])
    inner: dict[str, "Children"] = field(default_factory=dict[str, "Children"])

    def has(self, name: str) -> bool:
        """Return whether a child with a name has started."""
        return child_directory(self.parent.directory, name).manifest.exists()

    @asynccontextmanager
    async def start(self, child: Child, workspace: Workspace) -> AsyncGenerator[RunningChild]:
        """Start or resume the child with a name; the child runs until the context is left."""
        async with AsyncExitStack() as stack:
            with stopping():
                running = await self._begin(child, workspace, stack)
            self.running_children[child.name] = running
            stack.callback(self.running_children.pop, child.name)
            stack.callback(self._stop_counting, child.name)
            asking = withdrawing(self.questions, self.parent, child.name, lambda: running.run)
            await stack.enter_async_context(asking)
            yield running

    async def steer(self, stage_id: str, text: str) -> bool:
        """Send a message to a stage in flight, either to its child run or to its backend."""
        running = self.running_children.get(stage_id)
        return await (running.steer(text) if running else self.components.steer(stage_id, text))

    @property
    def used(self) -> Usage:
        """The usage of the run so far, including the running children."""
        return sum((one.used for one in self.inner.values()), self.parent.state.used)

    def _stop_counting(self, name: str) -> None:
        """Stop counting a child that has ended, because the stage reports the usage of
        the child.
        """
        child = self.inner.get(name)
        if child is not None and not child.parent.state.may_walk:
            del self.inner[name]

    def require_budget(self) -> None:
        """Halt if a parent run (including its child runs) has exhausted a budget."""
        outer = self.outer
        while outer is not None:
            outer.budgets.require_remaining(outer.parent, outer.used)
            outer = outer.outer

    def is_paused(self) -> bool:
        """Return whether a parent run is paused."""
        outer = self.outer
        return outer is not None and (outer.parent.state.is_paused or outer.is_paused())

    async def _begin(
        self, child: Child, workspace: Workspace, stack: AsyncExitStack
    ) -> RunningChild:
        first = self._directory(child, workspace)
        provision = Provision(
            open=self._open,
            read=partial(self._read, child),
            equip=partial(self._equip, child, workspace),
            restart=partial(make_next_child, scope=self.plan.scope),
        )
        rounds = ChildRounds(first, provision)
        stack.push_async_callback(rounds.close)
        await rounds.begin()
        walking = asyncio.create_task(rounds.walk())
        stack.push_async_callback(self._leave, rounds, walking)
        return RunningChild(child.name, rounds, walking)

    def _request(self, child: Child) -> RunRequest:
        request = self.plan.request
        file = request.file.parent / child.file
        return replace(request, file=file, inputs=child.inputs, goal="", outcomes=None)

    def _directory(self, child: Child, workspace: Workspace) -> RunDirectory:
        """Return the directory of a child; create it if it is missing."""
        directory = child_directory(self.parent.directory, child.name)
        if not directory.manifest.exists():
            self._require_room()
            request, scope = self._request(child), self.plan.scope
            files = KnownFiles(self.plan.pipeline.files)
            pipeline = read_child(
                files, child.file, request.file, inputs=child.inputs, project=context_of(scope)
            )
            make_child_directory(
                directory, self.parent.manifest, pipeline, request, scope, base=workspace.base
            )
        return directory

    def _open(self, directory: RunDirectory) -> OpenRun:
        return open_run(
            directory.root,
            clock=self.parent.clock,
            redactor=self.parent.redactor,
            fences=self.plan.scope.project.machine.fences,
            before_end=None,
        )

    def _read(self, child: Child, run: OpenRun) -> PipelineSource:
        custom_parts = self.plan.scope.parts
        return read_saved_pipeline(
            run.directory, run.manifest, goal="", inputs=child.inputs, custom_parts=custom_parts
        )

    async def _equip(
        self,
        child: Child,
        workspace: Workspace,
        run: OpenRun,
        pipeline: PipelineSource,
        stack: AsyncExitStack,
    ) -> Equipment:
        """Return the walk of one round of a child, and the functions that run the child's own
        children.
        """
        children = await self._grandchildren(child, self._request(child), run, pipeline, stack)
        place = ChildWorkspace(workspace, run.manifest.run_id)
        walk = partial(_work, run, pipeline.graph, children, place, is_shared=child.is_shared)
        return Equipment(walk, children.steer)

    async def _grandchildren(
        self,
        child: Child,
        request: RunRequest,
        run: OpenRun,
        pipeline: PipelineSource,
        stack: AsyncExitStack,
    ) -> "Children":
        """Return the `Children` object of a child run, with the components of the child run."""
        scope = self.plan.scope
        console = scope.project.console
        if console.observer:
            observer = partial(_forward, console.observer, child.name)
            console.subscriptions.subscribe(run.events, observer)
            project = replace(scope.project, console=replace(console, observer=observer))
            scope = replace(scope, project=project)
        questions = ChildQuestions(self.questions, child.name, run)
        components = await build_components(
            pipeline,
            request,
            scope,
            stack,
            questions=questions,
            interviewer=self.components.interviewer,
            task_note=self.plan.policy.task_note,
        )
        children = Children(
            parent=run,
            plan=replace(self.plan, scope=scope, request=request, pipeline=pipeline),
            components=components,
            questions=questions,
            waits=RunWaits(run, on_wait=partial(self.waits.report, child.name)),
            budgets=self._budgets_for(pipeline.graph),
            outer=self,
        )
        self.inner[child.name] = children
        return children

    def _require_room(self) -> None:
        if self._depth >= DEEPEST:
            raise UsageError(
                f"{DEEPEST} runs are nested, which is the maximum",
                hint="add a condition that ends the recursion of the pipeline",
            )

    @property
    def _depth(self) -> int:
        return 1 + self.outer._depth if self.outer else 0

    @property
    def _canceled(self) -> str:
        """The reason why this run or a parent run was canceled; empty if no run was canceled."""
        return self.parent.state.canceled or (self.outer._canceled if self.outer else "")

    def _budgets_for(self, graph: Graph) -> Budgets:
        """Return the budgets of a child, limited by the remaining budgets of the parent."""
        own = self.plan.request.budgets.over(read_budgets(graph))
        return own.within(self.budgets.remaining_after(self.parent))

    async def _leave(self, rounds: ChildRounds, walking: "asyncio.Task[RunResult]") -> None:
        """Stop a child; if the parent was canceled, also cancel the child."""
        walking.cancel()
        await asyncio.wait([walking])
        if not walking.cancelled():
            walking.exception()
        why, run = self._canceled, rounds.run
        if why and (run.state.may_walk or run.state.is_restarting):
            # An error here must not hide the cancellation.
            with suppress(AttractorError):
                by = f"run {self.parent.manifest.run_id}"
                run.record(OperatorAction(Action.CANCEL.value, by, why), sync=True)
                end_run(run)


async def _work(
    run: OpenRun, graph: Graph, children: Children, workspace: Workspace, *, is_shared: bool
) -> RunResult:
    """Walk a child from its last step; if the child has ended, only restore its last files."""
    progress = run.state.progress
    may_restore = workspace.sets_back and not is_shared
    if progress and not run.state.may_walk and may_restore:
        await workspace.restore(progress.tree, set_aside=run.directory.incidents / "after-its-end")
    if run.state.status.is_final:
        return result_of(run.manifest, run.directory.root, run.state)
    # A new walk starts with the files of its parent.
    tree = "" if progress else await workspace.snapshot(f"child {run.manifest.run_id}")
    restores = children.plan.origin.restores_sessions
    saved = SavedConversations(run.directory, children.components.rebuild) if restores else None
    runner = Runner(
        graph,
        run,
        handlers=children.components.handlers,
        workspace=workspace,
        tree=tree,
        steer=children.steer,
        children=children,
        budgets=children.budgets,
        interviewer=children.components.asking,
        saved_conversations=saved,
        parent=children,
        waits=children.waits,
        is_shared=is_shared,
        permissions=children.plan.permissions,
        rebuild=children.components.rebuild,
    )
    result = await runner.run()
    project = children.plan.scope.project
    if project.notify.children and not result.is_restarting:
        await notify_end(run, project)
    return result


def _forward(observer: Observer, name: str, event: Event) -> None:
    """Pass an event of a child to the observer of its parent, with the name of the child."""
    observer(replace(event, branch=f"{name}/{event.branch}" if event.branch else name))
