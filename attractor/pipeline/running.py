"""Runs one pipeline: starts it in a directory of its own, or takes up one that stopped."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from attractor.base.errors import UsageError
from attractor.base.events import Event
from attractor.base.ids import new_run_id
from attractor.base.reader_buffer import Missed
from attractor.engine.budgets import NO_BUDGETS, Budgets, read_budgets, tell_budgets
from attractor.engine.errors import RunOver
from attractor.engine.manifest import Manifest
from attractor.engine.open_run import OpenRun, open_run
from attractor.engine.questions import RunQuestions
from attractor.engine.results import RunResult, result_of
from attractor.engine.run_directory import CHILDREN, create_run_directory, require_free
from attractor.engine.run_drawings import drawn
from attractor.engine.runner import Runner
from attractor.engine.seams import Workspace
from attractor.engine.secrets import Redactor
from attractor.engine.status import EVALUATING, QUEUED
from attractor.environments.choose import Choice, require_promised
from attractor.pipeline.children import Children
from attractor.pipeline.knowing import known_in
from attractor.pipeline.left_out import LeftOut
from attractor.pipeline.needed_programs import Required
from attractor.pipeline.needs_inside import require_inside
from attractor.pipeline.options import RunOptions, WorkspaceKind, options_from_record
from attractor.pipeline.parts import build_crew, choose_place
from attractor.pipeline.people import choose_interviewer
from attractor.pipeline.reading import read_again
from attractor.pipeline.requirements import require_runnable
from attractor.pipeline.restarting import (
    Round,
    make_next,
    next_root,
    round_of,
    settle_parent,
    to_the_end,
)
from attractor.pipeline.runs_folder import in_runs_folder
from attractor.pipeline.source import PipelineSource, hash_now, open_pipeline
from attractor.pipeline.trees import give_branch, make_fit, make_tree, open_tree
from attractor.pipeline.world import World
from attractor.workspaces.in_place import KEPT_OUT


@dataclass(frozen=True)
class Ended:
    """A walk that ended well, for whoever judges it while the run is still held."""

    run: OpenRun
    options: RunOptions
    workspace: Workspace
    place: Choice
    world: World


Finish = Callable[[Ended], Awaitable[None]]


Begin = Callable[[OpenRun, Choice], None]


async def rest(ended: Ended) -> None:
    """Leave a run that ended well where it is."""


def unwitnessed(run: OpenRun, place: Choice) -> None:
    """Take no note of a walk that begins or goes on."""


@dataclass(frozen=True)
class Judge:
    """Who takes note of a walk that begins or goes on, and who judges it when it ended well."""

    begin: Begin = unwitnessed
    finish: Finish = rest


NOBODY = Judge()


async def start(
    options: RunOptions, world: World, *, root: Path | None = None, judge: Judge = NOBODY
) -> RunResult:
    """Run a pipeline from its start, in a run directory of its own."""
    pipeline = open_pipeline(
        str(options.file), goal=options.goal, inputs=options.inputs, known=known_in(world)
    )
    # Before anything is made: what can't be run must leave nothing behind.
    needs = await require_runnable(pipeline.graph, options, world.environ, known=known_in(world))
    if root is not None:
        require_free(root)
    place = await choose_place(options, world)
    await require_inside(needs, place, world, what=pipeline.graph.name)
    world.tell(place.sentence)
    # What was found once is asked for by name when the run goes on.
    options = replace(options, sandbox=place.kind)
    run_id = new_run_id(world.clock.now(), world.randomness)
    left_out = LeftOut(ours=_ours(options))
    workspace = await make_tree(options, world, run_id, place, on_snapshot=left_out.hear)
    root = root or in_runs_folder(run_id, world)
    manifest = _manifest(run_id, pipeline, options, world, workspace, place)
    create_run_directory(root, manifest, pipeline.text, files=pipeline.files)
    world.tell(f"run {run_id} in {root}")
    with _opened(root, world) as run:
        left_out.run = run
        result = await _Walk(pipeline, options, world, workspace, place, judge).go(run)
        done = round_of(result, run, world)
    return await to_the_end(done, partial(_go_on, world=world, judge=judge, is_restart=True))


async def resume(
    root: Path,
    world: World,
    *,
    interviewer: str = "",
    budgets: Budgets = NO_BUDGETS,
    judge: Judge = NOBODY,
) -> RunResult:
    """Go on with a run where its journal ends; somebody else may answer from here on.

    Budgets that are given stand for those the run began with.
    """
    go_on = partial(_go_on, world=world, interviewer=interviewer, budgets=budgets, judge=judge)
    return await to_the_end(await go_on(root), partial(go_on, is_restart=True))


async def _go_on(
    root: Path,
    world: World,
    *,
    interviewer: str = "",
    budgets: Budgets = NO_BUDGETS,
    judge: Judge = NOBODY,
    is_restart: bool = False,
) -> Round:
    # First of all: what somebody else has in hand is not even looked at.
    with _opened(root, world) as run:
        manifest = run.manifest
        if root.parent.name == CHILDREN:
            raise UsageError(
                f"{manifest.run_id} is part of run {manifest.parent}",
                hint="go on with that one: it takes this one up",
            )
        if run.state.standing.is_final and run.state.is_restarting:
            return Round(result_of(manifest, root, run.state), next_root(run, world))
        if run.state.standing.is_final:
            # Before its workspace is looked for: that of a run that is over may have been freed.
            raise RunOver(
                f"{manifest.run_id} is {run.state.standing} for good",
                hint="go back in it with attractor rewind, or start a new run: attractor run",
            )
        if manifest.restart and run.state.standing == QUEUED:
            settle_parent(manifest, world)
        options = options_from_record(
            manifest.options, suite=manifest.suite, profile=manifest.profile
        )
        options = replace(
            options,
            interviewer=interviewer or options.interviewer,
            budgets=budgets.over(options.budgets),
        )
        pipeline = read_again(
            run.directory,
            manifest,
            goal=options.goal,
            inputs=options.inputs,
            brought=world.brought,
        )
        needs: Sequence[Required] = ()
        if run.state.may_walk:
            known = known_in(world)
            needs = await require_runnable(pipeline.graph, options, world.environ, known=known)
        place = await choose_place(options, world)
        require_promised(manifest.promises, place)
        await require_inside(needs, place, world, what=pipeline.graph.name)
        world.tell(place.sentence)
        left_out = LeftOut(run, ours=_ours(options))
        workspace = await open_tree(
            options, world, manifest.run_id, place, on_snapshot=left_out.hear
        )
        walk = _Walk(pipeline, options, world, workspace, place, judge, checks_file=not is_restart)
        return round_of(await walk.go(run), run, world)


@dataclass(frozen=True)
class _Walk:
    """A walk that begins or goes on, with all it needs.

    Unless it is the next round of one order, the pipeline's file must be what it was.
    """

    pipeline: PipelineSource
    options: RunOptions
    world: World
    workspace: Workspace
    place: Choice
    judge: Judge
    checks_file: bool = True

    async def go(self, run: OpenRun) -> RunResult:
        """Walk; when it ended well, give the project its branch and have the result judged."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.workspace.close)
            if self.world.draws:
                await stack.enter_async_context(drawn(run, self.pipeline.graph))
            await make_fit(self.workspace, self.world)
            self.judge.begin(run, self.place)
            runner = await self._runner(run, stack)
            result = await runner.run()
            if result.is_restarting:
                await make_next(run, self.pipeline, self.options, self.world)
            if result.standing != EVALUATING:
                return result
            await _give_branch(run, self.options, self.world, self.workspace)
            ended = Ended(run, self.options, self.workspace, self.place, self.world)
            await self.judge.finish(ended)
            return result_of(run.manifest, run.directory.root, run.state)

    async def _runner(self, run: OpenRun, stack: AsyncExitStack) -> Runner:
        crew = await build_crew(
            self.pipeline,
            self.options,
            self.world,
            stack,
            questions=RunQuestions(run),
            interviewer=choose_interviewer(self.options, self.world, run),
        )
        budgets = self.options.budgets.over(read_budgets(self.pipeline.graph))
        tell_budgets(run, budgets)
        children = Children(
            parent=run,
            options=self.options,
            world=self.world,
            crew=crew,
            questions=RunQuestions(run),
            budgets=budgets,
        )
        return Runner(
            self.pipeline.graph,
            run,
            handlers=crew.handlers,
            workspace=self.workspace,
            content_hash=_hash_now(self.options, self.pipeline) if self.checks_file else "",
            steer=children.steer,
            children=children,
            budgets=budgets,
            interviewer=crew.asking,
        )


def _opened(root: Path, world: World) -> OpenRun:
    redactor = Redactor.of_environment(world.environ)
    run = open_run(root, clock=world.clock, redactor=redactor)
    run.events.subscribe(lambda event: _pass_on(event, world))
    return run


async def _give_branch(
    run: OpenRun, options: RunOptions, world: World, workspace: Workspace
) -> None:
    journal = run.directory.events
    branch = await give_branch(options, world, run.manifest.run_id, workspace, journal)
    if branch is not None:
        run.emit("RunBranchWritten", {"ref": branch.ref, "commit": branch.commit}, sync=True)


def _manifest(
    run_id: str,
    pipeline: PipelineSource,
    options: RunOptions,
    world: World,
    workspace: Workspace,
    place: Choice,
) -> Manifest:
    return Manifest(
        run_id=run_id,
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=world.clock.now(),
        content_hash=pipeline.content_hash,
        base=workspace.base,
        suite=options.suite,
        profile=options.profile,
        options=options.to_record(),
        versions={"attractor": world.version},
        promises=place.promises,
    )


def _ours(options: RunOptions) -> Sequence[str]:
    """Return what is no stage's doing: a run in place keeps its records in the folder itself."""
    in_place = options.workspace is WorkspaceKind.IN_PLACE
    return [path.strip("/") for path in KEPT_OUT] if in_place else ()


def _hash_now(options: RunOptions, pipeline: PipelineSource) -> str:
    """Return the hash of the pipeline's file as it is now; a file that is gone changed nothing."""
    if not options.file.is_file():
        return pipeline.content_hash
    return hash_now(options.file, pipeline)


def _pass_on(event: Event | Missed, world: World) -> None:
    if isinstance(event, Event):
        world.watch(event)
