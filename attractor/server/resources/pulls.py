"""Pull requests over HTTP: their rounds, and what each needs next."""

from fastapi import APIRouter

from attractor.factory.pulls.readings import pull_records
from attractor.server.http.records import JsonRecord
from attractor.server.http.scopes import READ, ProjectService

part = APIRouter(tags=["pull requests"])


@part.get("/api/v1/pulls", dependencies=[READ])
def list_pulls(service: ProjectService) -> list[JsonRecord]:
    """List the pull requests of a project's results, as they were read last."""
    return pull_records(service.opened)
