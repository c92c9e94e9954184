"""The page of a race: its attempts, best first, with the way to decide on one."""

import asyncio

from fastapi import Request
from fastapi.responses import Response

from attractor.factory.operations.race import look, rank_views
from attractor.factory.races import find_race, results_of
from attractor.server.html.rendering import PageRouter, render
from attractor.server.http.scopes import READ, ProjectService

part = PageRouter()


@part.get("/races/{race_id}", dependencies=[READ])
def show_race(request: Request, service: ProjectService, race_id: str) -> Response:
    """Show the attempts of a race, `latest` or by its id."""
    opened = service.opened
    race = find_race(opened.ledger, opened.identity.project_id(), race_id)
    views = asyncio.run(look(race, opened))
    has_ended = results_of(opened.ledger, race.race_id) is not None
    values = {"race": race, "ranked": rank_views(views), "has_ended": has_ended, "frozen": False}
    return render(request, "race.html.j2", values)
