"""The projects of the state folder, and the page of one: its dimensions, actors and settings."""

from fastapi import Request
from fastapi.responses import Response

from attractor.config.schema import OriginKind
from attractor.factory.dimensions import DimensionRecords
from attractor.factory.project import list_project_folders
from attractor.server.html.rendering import PageRouter, render
from attractor.server.http.scopes import READ, Calling, ServingAll, ServingOther
from attractor.worlds.actors import list_actors
from attractor.worlds.status import ActorView, read_actors

part = PageRouter()


@part.get("/worlds", dependencies=[READ])
def show_worlds(request: Request, service: ServingAll, caller: Calling) -> Response:
    """Show the projects of the state folder, with their dimensions and actors."""
    state = service.project.machine.state_dir
    troubles = list[str]()
    views = read_actors(list_actors(state), troubles.append)
    worlds = [
        {
            "project": project,
            "dimensions": DimensionRecords.in_state(state, project.project_id).all(),
            "actors": _actors_of(project.project_id, views),
        }
        for project in list_project_folders(state)
        if caller.reaches(project.project_id)
    ]
    return render(request, "worlds.html.j2", {"worlds": worlds, "troubles": troubles})


@part.get("/worlds/{project}", dependencies=[READ])
def show_world(request: Request, service: ServingOther, project: str) -> Response:
    """Show a project with its dimensions, its actors and its effective settings."""
    state = service.project.machine.state_dir
    troubles = list[str]()
    settings = service.read_settings()
    is_default = {one.key: one.origin.kind is OriginKind.DEFAULT for one in settings}
    values = {
        "root": service.project.root,
        "world": {
            "id": project,
            "dimensions": DimensionRecords.of(service.opened).all(),
            "actors": _actors_of(project, read_actors(list_actors(state), troubles.append)),
        },
        "troubles": troubles,
        # Those that a person made first.
        "settings": sorted(settings, key=lambda one: is_default[one.key]),
        "set": sum(not one for one in is_default.values()),
    }
    return render(request, "world.html.j2", values)


def _actors_of(project_id: str, views: list[ActorView]) -> list[ActorView]:
    own = [one for one in views if one.folder.project.project_id == project_id]
    return [one for one in own if not one.history.archived]
