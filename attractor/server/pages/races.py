"""The pages of races: the list, and the attempts of one, best first, with the way to decide.

A person can end a race without the attempts that have not begun.
"""

import asyncio

from fastapi import Request
from fastapi.responses import Response

from attractor.factory.operations.race import look, races_folder, rank_views, winning_run
from attractor.factory.races import find_race, list_races, results_of
from attractor.server.html.rendering import PageRouter, after, in_address, render
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, ProjectService
from attractor.server.resources.races import end_without_others
from attractor.server.service import Service


def _has_races(service: Service) -> bool:
    return races_folder(service.project.machine.state_dir, service.project_id).is_dir()


part = PageRouter("Races", "/races", position=2, shown_if=_has_races)


@part.get("/races", dependencies=[READ])
def show_races(request: Request, service: ProjectService) -> Response:
    """Show the races of a project, newest first."""
    races = list_races(service.opened.ledger, service.project_id)
    return render(request, "races.html.j2", {"races": races})


@part.get("/races/{race_id}", dependencies=[READ, IN_TURN])
def show_race(request: Request, service: ProjectService, race_id: str) -> Response:
    """Show the attempts of a race, `latest` or by its id."""
    opened = service.opened
    race = find_race(opened.ledger, opened.identity.project_id(), race_id)
    views = asyncio.run(look(race, opened))
    has_ended = results_of(opened.ledger, race.race_id) is not None
    values = {
        "race": race,
        "ranked": rank_views(views),
        "winner": winning_run(views, has_ended=has_ended),
        "has_ended": has_ended,
        "frozen": False,
    }
    return render(request, "race.html.j2", values)


@part.post("/races/{race_id}/end", dependencies=[OPERATE, IN_TURN])
def end_race(service: ProjectService, caller: Calling, race_id: str) -> Response:
    """End a race without the attempts that have not begun."""
    address = f"/races/{in_address(race_id)}{service.here}"

    def act() -> tuple[str, str]:
        end_without_others(service, race_id, by=caller.name)
        return address, "The race has ended."

    return after(act, address)
