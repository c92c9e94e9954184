"""Races over HTTP: their attempts, best first."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path

from attractor.factory.operations.race import look, race_record
from attractor.factory.races import find_race, list_races, results_of
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord
from attractor.server.http.scopes import IN_TURN, READ, ProjectService

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
