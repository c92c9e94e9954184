"""What the pages of universes and their records show, as the rows are now."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.fleet.errors import DatabaseAway
from attractor.fleet.universes import require_name
from attractor.fleet.views.universe_views import (
    UniverseRow,
    UniverseView,
    list_universes,
    view_universe,
)
from attractor.server.access.callers import Caller
from attractor.server.errors import OtherProjects
from attractor.server.fleet.connection import FleetConnection, UsedSpace
from attractor.server.fleet.view import OpenRuns, read_open_runs
from attractor.worlds.actors import ActorFolder, list_actors
from attractor.worlds.messages import SenderKind
from attractor.worlds.status import KnownJournals, count_messages

if TYPE_CHECKING:
    # It loads the database, which belongs to an extra.
    from attractor.fleet.fleet import Fleet


@dataclass(frozen=True)
class UniverseState:
    """A universe: its caps and worlds, its open runs, its space, and messages to its actors.

    `names` are those of workers, by ids. `space` is None until it is measured. `messages` counts by
    senders, and only the actors of this server: no other machine tells the fleet of its messages.
    """

    view: UniverseView
    runs: OpenRuns
    names: Mapping[str, str]
    space: UsedSpace | None
    messages: Mapping[SenderKind, int]


def read_universes(
    connection: FleetConnection, caller: Caller, *, after: str, limit: int
) -> Sequence[tuple[UniverseRow, UsedSpace | None]]:
    """Return universes after a name, those with worlds of the caller; none without a fleet."""
    if not connection.is_there:
        return []
    _require_database(connection)
    if after:
        require_name(after)
    read = partial(list_universes, projects=caller.projects, after=after, limit=limit)
    return [(row, connection.space_of(row.name)) for row in connection.read(read)]


def read_universe(
    connection: FleetConnection, caller: Caller, name: str, state: Path, journals: KnownJournals
) -> UniverseState:
    """Return a universe; a caller of some projects sees their worlds and runs only."""
    if not connection.is_there:
        raise UnknownName("universe", name, [])
    _require_database(connection)
    require_name(name)
    view, runs, names = connection.read(partial(_read, caller=caller, name=name))
    worlds = {world.id for world in view.worlds}
    messages = count_messages(_actors_of(state, worlds), journals)
    return UniverseState(view, runs, names, connection.space_of(name), messages)


async def _read(
    fleet: "Fleet", *, caller: Caller, name: str
) -> tuple[UniverseView, OpenRuns, Mapping[str, str]]:
    try:
        view = await view_universe(fleet, name, caller.projects)
    except UnknownName:
        if caller.projects:
            # Names of other universes are not told.
            raise OtherProjects(caller.name) from None
        raise
    if caller.projects and not view.worlds:
        raise OtherProjects(caller.name)
    is_whole = not caller.projects
    runs = await read_open_runs(fleet, caller.reaches, is_whole=is_whole, universe=name)
    return view, runs, {worker.id: worker.name for worker in await fleet.table.workers()}


def _require_database(connection: FleetConnection) -> None:
    """Refuse at once while the database is known to be away."""
    if away := connection.away.get("database"):
        raise DatabaseAway(away.words)


def _actors_of(state: Path, projects: Collection[str]) -> Sequence[ActorFolder]:
    return [one for one in list_actors(state) if one.project.project_id in projects]
