"""The projects of the state folder, and the page of one: its dimensions, actors and settings."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

from attractor.base.errors import AttractorError
from attractor.config.schema import OriginKind
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.project import list_project_folders
from attractor.server.html.rendering import PageRouter, render
from attractor.server.http.scopes import READ, Calling, PathProjectService, ServerService
from attractor.worlds.actors import list_actors
from attractor.worlds.status import read_actors

part = PageRouter()


@part.get("/worlds", dependencies=[READ])
def show_worlds(request: Request, service: ServerService, caller: Calling) -> Response:
    """Show the projects of the state folder, with their dimensions and actors."""
    state = service.project.machine.state_dir
    troubles = list[str]()
    worlds = [
        {"project": project, **_world(state, project.project_id, troubles)}
        for project in list_project_folders(state)
        if caller.reaches(project.project_id)
    ]
    return render(request, "worlds.html.j2", {"worlds": worlds, "troubles": troubles})


@part.get("/worlds/{project}", dependencies=[READ])
def show_world(request: Request, service: PathProjectService, project: str) -> Response:
    """Show a project with its dimensions, its actors and its effective settings."""
    state = service.project.machine.state_dir
    troubles = list[str]()
    settings = service.read_settings()
    is_default = {one.key: one.origin.kind is OriginKind.DEFAULT for one in settings}
    values = {
        "root": service.project.root,
        "world": {"id": project, **_world(state, project, troubles)},
        "troubles": troubles,
        # Those that a person made first.
        "settings": sorted(settings, key=lambda one: is_default[one.key]),
        "set": sum(not one for one in is_default.values()),
    }
    return render(request, "world.html.j2", values)


def _world(state: Path, project_id: str, troubles: list[str]) -> dict[str, object]:
    """Return the dimensions and actors of a project; what cannot be read is a trouble."""
    dimensions: Sequence[Dimension] = ()
    try:
        dimensions = DimensionRecords.in_state(state, project_id).all()
    except AttractorError as fault:
        troubles.append(fault.in_one_line)
    own = [one for one in list_actors(state) if one.project.project_id == project_id]
    views = read_actors(own, troubles.append)
    return {
        "dimensions": dimensions,
        "actors": [one for one in views if not one.history.archived],
    }
