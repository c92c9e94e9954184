"""Makes the state folder private, and removes workspaces of killed runs."""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.files import close_all_below, close_to_others, make_private_folder
from attractor.pipeline.host.run_host import RunHost
from attractor.workspaces.folders import NAME as folders_NAME
from attractor.workspaces.folders import collect_left_behind, prepare_place
from attractor.workspaces.run_store import STORES, recorded_folders


def prepare_state_folder(host: RunHost) -> Path:
    """Make the state folder ready for a run, and return the folder of the workspaces.

    What runs that were killed left there is removed; what somebody lives in is left alone.
    """
    make_private_folder(host.state_dir)
    state = host.state_dir.resolve()
    try:
        closed = sum(_close(state))
        if closed:
            host.tell(f"{closed} places in {state} were open to others; now they are yours alone.")
    except AttractorError as error:
        host.tell(f"Others may read in {state}: {error.message}.")
    place = prepare_place(host.state_dir, shared=host.workspaces_dir, tell=host.tell)
    try:
        collect_left_behind(place, lambda: recorded_folders(host.state_dir))
    except AttractorError as error:
        host.tell(f"What dead runs left in {place} is not removed: {error.message}.")
    return place


def _close(state: Path) -> Iterator[int]:
    yield close_to_others(state)
    for one in state.iterdir():
        if one.name == folders_NAME:  # what lies in there is the agents' own
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
