"""Actors in pools: workers of the fleet execute their runs, and a server begins and answers them.

Such an actor has no process: its messages stay in its inbox until a server takes them.
"""

import importlib.util
from pathlib import Path

from attractor.base.errors import Refused
from attractor.base.installation import install_command
from attractor.base.locks import FileLock
from attractor.workspaces.create.registry import workspace_registry
from attractor.worlds.actors import Actor, ActorFolder

SERVER_LOCK = Path("fleet", "server.lock")
"""The lock below the state folder of the server that begins and answers runs of the fleet."""


def is_fleet_installed() -> bool:
    """Return whether the extra `fleet` is installed."""
    return all(importlib.util.find_spec(name) for name in ("dbos", "obstore"))


def why_not_taken(folder: ActorFolder) -> str:
    """Return why no message to an actor in a pool is taken now, with the command; "" if one is."""
    # STATE/projects/PROJECT/actors/NAME
    state = folder.root.parents[3]
    if not is_fleet_installed():
        return f"the fleet is not installed; install it: {install_command(extra='fleet')}"
    if not FileLock.is_held(state / SERVER_LOCK):
        return "no server takes its messages: attractor serve"
    return ""


def require_movable(actor: Actor) -> None:
    """Refuse an actor in a pool that works on files of this machine."""
    kind = workspace_registry()[actor.workspace]
    if actor.pool and kind.create and not kind.is_apart:
        place = f"the dimension {actor.dimension}" if actor.dimension else actor.workspace
        raise Refused(
            f"an actor in the pool {actor.pool} cannot work in {place}: its files are on this "
            "machine",
            hint="remove --in, or name a dimension without a folder: "
            "attractor dimension add NAME --kind isolated",
        )
