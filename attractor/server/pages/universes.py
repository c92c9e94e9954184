"""The pages of universes: the list, and what runs, waits, is spent and is stored in one."""

from fastapi import Request
from fastapi.responses import Response

from attractor.factory.project import list_project_folders
from attractor.fleet.views.universe_views import cap_in_words
from attractor.server.fleet.universes import read_universe, read_universes
from attractor.server.fleet.view import MOST_SHOWN, at, changed_at, may_resume
from attractor.server.html.rendering import FLEET, PageRouter, render
from attractor.server.http.cursors import Cursor, read_text, write_cursor
from attractor.server.http.scopes import READ, Calling, ServerService

part = PageRouter()
UNIVERSES = FLEET + "/universes"


@part.get(UNIVERSES, dependencies=[READ])
def show_universes(
    request: Request, service: ServerService, caller: Calling, cursor: Cursor = ""
) -> Response:
    """Show the universes of the fleet, with what they execute, spend and store."""
    after = read_text(cursor)
    found = read_universes(service.fleet, caller, after=after, limit=MOST_SHOWN + 1)
    rows = found[:MOST_SHOWN]
    is_last = len(found) <= MOST_SHOWN
    following = "" if is_last else f"{UNIVERSES}?cursor={write_cursor(rows[-1][0].name)}"
    return render(request, "universes.html.j2", {"rows": rows, "following": following})


@part.get(UNIVERSES + "/{name}", dependencies=[READ])
def show_universe(request: Request, service: ServerService, caller: Calling, name: str) -> Response:
    """Show a universe: its runs and why they wait, its caps, its worlds and its space."""
    state = service.project.machine.state_dir
    found = read_universe(service.fleet, caller, name, state, service.journals)
    values = {
        "found": found,
        "view": found.view,
        "universe": found.view.universe,
        "most_shown": MOST_SHOWN,
        # A run of another machine's project has no page here.
        "here_ids": {one.project_id for one in list_project_folders(state)},
        "cap_in_words": cap_in_words,
        "at": at,
        "changed_at": changed_at,
        "may_resume": may_resume,
    }
    return render(request, "universe.html.j2", values, fragments=("fleet/universe",))
