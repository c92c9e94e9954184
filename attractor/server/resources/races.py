"""Races over HTTP: their attempts, best first, and their end."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path

from attractor.factory.operations.race import AttemptView, look, race_record, require_ended
from attractor.factory.operations.race_process import give_up_attempts
from attractor.factory.races import Race, find_race, list_races, results_of
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, ProjectService
from attractor.server.service import Service

part = APIRouter(tags=["races"], responses=problem_statuses(400, 404))

RaceName = Annotated[
    str, Path(max_length=200, description="The id of the race, its beginning, or `latest`.")
]


@part.get("/api/v1/races", dependencies=[READ])
def list_all(service: ProjectService) -> list[JsonRecord]:
    """List the races of a project, newest first."""
    return [race.to_record() for race in list_races(service.opened.ledger, service.project_id)]


@part.get("/api/v1/races/{race}", dependencies=[READ, IN_TURN])
def show_race(service: ProjectService, race: RaceName) -> JsonRecord:
    """Show a race: its attempts, their ranking, and what each needs before the race can end."""
    opened = service.opened
    found = find_race(opened.ledger, service.project_id, race)
    views = asyncio.run(look(found, opened))
    has_ended = results_of(opened.ledger, found.race_id) is not None
    return race_record(found, views, has_ended=has_ended)


@part.post(
    "/api/v1/races/{race}/end", dependencies=[OPERATE, IN_TURN], responses=problem_statuses(409)
)
def end_race(service: ProjectService, caller: Calling, race: RaceName) -> JsonRecord:
    """End a race without the attempts that have not begun; they still count in the bound.

    It is refused while attempts that have begun have not ended.
    """
    found, views = end_without_others(service, race, by=caller.name)
    return race_record(found, views, has_ended=True)


def end_without_others(
    service: Service, reference: str, *, by: str
) -> tuple[Race, list[AttemptView]]:
    """End a race without the attempts that have not begun, or refuse it; return it as it is now."""
    opened = service.opened
    race = find_race(opened.ledger, service.project_id, reference)
    views = give_up_attempts(race, opened, by=by)
    require_ended(race, views, opened)
    return race, views
