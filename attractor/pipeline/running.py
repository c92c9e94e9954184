"""Runs one pipeline: starts it in a directory of its own, or takes up one that stopped."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from attractor.base.atomic_files import write_whole
from attractor.base.broadcast import Missed
from attractor.base.canonical import content_hash
from attractor.base.errors import Broken
from attractor.base.events import Event
from attractor.base.ids import new_run_id
from attractor.engine.manifest import Manifest
from attractor.engine.open_run import OpenRun, open_run
from attractor.engine.preflight import preflight
from attractor.engine.results import RunResult, result_of
from attractor.engine.run_directory import RunDirectory, create_run_directory, read_manifest
from attractor.engine.runner import Runner
from attractor.engine.seams import Handler, Workspace
from attractor.engine.secrets import Redactor
from attractor.engine.status import EVALUATING
from attractor.environments.choose import Choice
from attractor.handlers.registry import handler_registry
from attractor.language.sources import Source
from attractor.pipeline.options import RunOptions, options_from_record
from attractor.pipeline.parts import build_handlers, choose_place
from attractor.pipeline.source import PipelineSource, open_pipeline, read_pipeline
from attractor.pipeline.trees import give_branch, make_tree, open_tree
from attractor.pipeline.world import World


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
    pipeline = open_pipeline(str(options.file), goal=options.goal)
    # Before anything is made: what can't be run must leave nothing behind.
    handlers = cast(Mapping[str, Handler], handler_registry())
    preflight(pipeline.graph, handlers, Redactor.of_environment(world.environ))
    place = await choose_place(options, world)
    world.tell(place.sentence)
    run_id = new_run_id(world.clock.now(), world.randomness)
    workspace = await make_tree(options, world, run_id, place)
    root = root or _in_runs_folder(run_id, world)
    manifest = _manifest(run_id, pipeline, options, world, workspace, place)
    create_run_directory(root, manifest, pipeline.text)
    world.tell(f"run {run_id} in {root}")
    return await _walk(root, pipeline, options, world, workspace, place, judge)


async def resume(
    root: Path, world: World, *, interviewer: str = "", judge: Judge = NOBODY
) -> RunResult:
    """Go on with a run where its journal ends; somebody else may answer from here on."""
    directory = RunDirectory(root)
    manifest = read_manifest(directory)
    options = options_from_record(manifest.options, suite=manifest.suite, profile=manifest.profile)
    options = replace(options, interviewer=interviewer or options.interviewer)
    text = directory.graph.read_text("utf-8")
    if content_hash(text.encode()) != manifest.content_hash:
        raise Broken(
            f"{directory.graph} is not what the run began with",
            hint="bring it back from a copy, or start a new run",
        )
    pipeline = read_pipeline(Source(text, str(directory.graph)), goal=options.goal)
    place = await choose_place(options, world)
    world.tell(place.sentence)
    workspace = await open_tree(options, world, manifest.run_id, place)
    return await _walk(root, pipeline, options, world, workspace, place, judge)


async def _walk(
    root: Path,
    pipeline: PipelineSource,
    options: RunOptions,
    world: World,
    workspace: Workspace,
    place: Choice,
    judge: Judge,
) -> RunResult:
    redactor = Redactor.of_environment(world.environ)
    async with AsyncExitStack() as stack:
        run = stack.enter_context(open_run(root, clock=world.clock, redactor=redactor))
        stack.push_async_callback(workspace.close)
        run.events.subscribe(lambda event: _pass_on(event, world))
        judge.begin(run, place)
        handlers = await build_handlers(pipeline.graph, options, world, stack, run=run)
        runner = Runner(
            pipeline.graph,
            run,
            handlers=handlers,
            workspace=workspace,
            content_hash=_hash_now(options, pipeline),
        )
        result = await runner.run()
        if result.standing != EVALUATING:
            return result
        await _give_branch(run, options, world, workspace)
        await judge.finish(Ended(run, options, workspace, place, world))
        return result_of(run.manifest, root, run.state)


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


def _in_runs_folder(run_id: str, world: World) -> Path:
    """Return the place of a run; a runs folder that we make is none of git's business."""
    if not world.runs_dir.exists():
        world.runs_dir.mkdir(parents=True)
        write_whole(world.runs_dir / ".gitignore", "*\n")
    return world.runs_dir / run_id


def _hash_now(options: RunOptions, pipeline: PipelineSource) -> str:
    """Return the hash of the pipeline's file as it is now; a file that is gone changed nothing."""
    if not options.file.is_file():
        return pipeline.content_hash
    return content_hash(options.file.read_bytes())


def _pass_on(event: Event | Missed, world: World) -> None:
    if isinstance(event, Event):
        world.watch(event)
