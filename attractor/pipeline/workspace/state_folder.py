"""Makes the state folder private, and removes workspaces of killed runs."""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.files import make_private, make_private_folder, make_tree_private
from attractor.pipeline.host.run_host import RunHost
from attractor.workspaces.folders import NAME as folders_NAME
from attractor.workspaces.folders import prepare_workspaces_folder, remove_abandoned_folders
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
    place = prepare_workspaces_folder(host.state_dir, shared=host.workspaces_dir, tell=host.tell)
    try:
        remove_abandoned_folders(place, lambda: recorded_folders(host.state_dir))
    except AttractorError as error:
        host.tell(f"What dead runs left in {place} is not removed: {error.message}.")
    return place


def _close(state: Path) -> Iterator[int]:
    yield make_private(state)
    for one in state.iterdir():
        if one.name == folders_NAME:  # what lies in there is the agents' own
            yield make_private(one)
        elif one.name == STORES:
            yield make_private(one)
            yield from map(_close_store, one.iterdir())
        else:
            yield make_tree_private(one)


def _close_store(store: Path) -> int:
    """Close a store; below one that was closed nobody else can have come, and it holds much."""
    closed = make_private(store)
    return closed + make_tree_private(store) if closed else 0
