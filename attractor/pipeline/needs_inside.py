"""Looks for what pipelines need where their tools will run, before anything of a run is made."""

from collections.abc import Sequence
from dataclasses import replace

from attractor.engine.errors import NotRunnable
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.selection import Choice
from attractor.pipeline.needed_programs import (
    Looked,
    Required,
    faults_among,
    look_for,
    programs_among,
)
from attractor.pipeline.world import World, untold
from attractor.workspaces.folders import borrowed_folder, prepare_place

_WHERE = "for the whole machine (below /usr), or run with --sandbox none"


async def require_inside(
    required: Sequence[Required], place: Choice, world: World, *, what: str
) -> None:
    """Refuse what tools would not find in the sandbox, though it is on the operator's PATH."""
    programs = programs_among(required)
    if not programs or place.kind == "none":
        return
    # The place was made ready when the sandbox was chosen, and all there is to tell was told.
    with borrowed_folder(
        prepare_place(world.state_dir, shared=world.workspaces_dir, tell=untold)
    ) as scratch:
        looked = await _look(programs, place.make(scratch))
    if faults := list(faults_among([*map(_told, looked)])):
        raise NotRunnable(what or "the graph", faults)


async def _look(programs: Sequence[Required], environment: ExecutionEnvironment) -> list[Looked]:
    try:
        await environment.initialize()
        return await look_for(programs, environment, {})
    finally:
        await environment.cleanup()


def _told(looked: Looked) -> Looked:
    if not looked.fault:
        return looked
    fault, remedy = f"in the sandbox {looked.fault}", f"{looked.remedy} {_WHERE}"
    return replace(looked, fault=fault, remedy=remedy)
