"""The page of the fleet: what waits and why, workers, pools, and what does not answer."""

from fastapi import Request
from fastapi.responses import Response

from attractor.base.installation import install_command
from attractor.factory.project import list_project_folders
from attractor.server.fleet.view import at, changed_at, drain_worker, may_resume, read_fleet
from attractor.server.html.rendering import FLEET, PageRouter, after, render
from attractor.server.http.scopes import ALL_PROJECTS, OPERATE, READ, Calling, ServerService
from attractor.worlds.pools import is_fleet_installed

part = PageRouter("Fleet", FLEET, position=9, shown_if=lambda service: service.fleet.is_there)


@part.get(FLEET, dependencies=[READ])
def show_fleet(request: Request, service: ServerService, caller: Calling) -> Response:
    """Show what waits in the fleet, its workers and its pools."""
    state = service.project.machine.state_dir
    values = {
        "view": read_fleet(service.fleet, caller.reaches, is_whole=not caller.projects),
        "install": "" if is_fleet_installed() else f"install it: {install_command(extra='fleet')}",
        # A run of another machine's project has no page here.
        "here_ids": {one.project_id for one in list_project_folders(state)},
        "reaches_all": not caller.projects,
        "at": at,
        "changed_at": changed_at,
        "may_resume": may_resume,
    }
    return render(request, "fleet.html.j2", values, fragments=("fleet/fleet",))


@part.post(FLEET + "/workers/{worker}/drain", dependencies=[OPERATE, ALL_PROJECTS])
def drain(service: ServerService, worker: str) -> Response:
    """Let a worker end its stages in flight, give its runs back and leave."""

    def act() -> tuple[str, str]:
        return FLEET, f"{drain_worker(service.fleet, worker).name} takes nothing new."

    return after(act, FLEET)
