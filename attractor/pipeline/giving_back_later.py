"""Gives back what a run made that was ended while nobody ran it, such as one that was killed."""

from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.engine.no_workspace import NoEnvironment
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.environments.environment import ExecutionEnvironment
from attractor.pipeline.giving_back import give_back
from attractor.pipeline.options import options_from_record
from attractor.pipeline.reading import read_again
from attractor.pipeline.trees import objects_of
from attractor.pipeline.world import World
from attractor.workspaces.create.isolated import open_again


async def give_back_later(root: Path, world: World) -> None:
    """Give the project what a run made that has ended; where that fails, it is told."""
    try:
        with open_run(root, clock=world.clock, redactor=world.redactor) as run:
            await _give_back(run, world)
    except AttractorError as trouble:
        world.tell(f"What the run made is not given back: {trouble.message}.")


async def _give_back(run: OpenRun, world: World) -> None:
    manifest = run.manifest
    options = options_from_record(manifest.options, suite=manifest.suite, profile=manifest.profile)
    if not options.workspace.is_apart or run.state.progress is None:
        return
    pipeline = read_again(
        run.directory,
        manifest,
        goal=options.goal,
        inputs=None if options.withheld else options.inputs,
        brought=world.brought,
    )
    workspace = await open_again(
        state=world.state_dir,
        run_id=manifest.run_id,
        search_path=world.search_path,
        environment=_nowhere,
        borrow_from=await objects_of(options, world),
    )
    try:
        await give_back(run, workspace, graph=pipeline.graph, options=options, world=world)
    finally:
        await workspace.close()


def _nowhere(folder: Path) -> ExecutionEnvironment:
    """Nothing is run for it."""
    return NoEnvironment()
