"""The state folder as a run needs it: ours alone, with a place for workspaces, and swept."""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.files import close_all_below, close_to_others, make_private_folder
from attractor.pipeline.world import World
from attractor.workspaces.dimension_index import STORES, recorded_folders
from attractor.workspaces.folders import NAME, collect_left_behind, prepare_place


def ready_state(world: World) -> Path:
    """Make the state folder ready for a run, and return the folder of the workspaces.

    What runs that were killed left there is removed; what somebody lives in is left alone.
    """
    make_private_folder(world.state_dir)
    state = world.state_dir.resolve()
    try:
        closed = sum(_close(state))
        if closed:
            world.tell(f"{closed} places in {state} were open to others; now they are yours alone.")
    except AttractorError as error:
        world.tell(f"Others may read in {state}: {error.message}.")
    place = prepare_place(world.state_dir, shared=world.workspaces_dir, tell=world.tell)
    try:
        collect_left_behind(place, lambda: recorded_folders(world.state_dir))
    except AttractorError as error:
        world.tell(f"What dead runs left in {place} is not removed: {error.message}.")
    return place


def _close(state: Path) -> Iterator[int]:
    yield close_to_others(state)
    for one in state.iterdir():
        if one.name == NAME:  # what lies in there is the agents' own
            yield close_to_others(one)
        elif one.name == STORES:
            yield close_to_others(one)
            yield from map(_close_store, one.iterdir())
        else:
            yield close_all_below(one)


def _close_store(store: Path) -> int:
    """Close a store; below one that was closed nobody else can have come, and it holds much."""
    closed = close_to_others(store)
    return closed + close_all_below(store) if closed else 0
