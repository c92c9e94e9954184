"""The page of pull requests, and the buttons on the page of their runs."""

import asyncio

from fastapi import Request
from fastapi.responses import Response

from attractor.factory.pulls.forge import refuse_to_wait
from attractor.factory.pulls.readings import PullReadings, pull_step
from attractor.factory.pulls.rounds import list_rounds
from attractor.server.html.rendering import PageRouter, after, in_address, render
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, ProjectService
from attractor.server.processes.run_processes import RunCommand
from attractor.server.run_actions import name_of, walk
from attractor.server.service import Service


def _has_pulls(service: Service) -> bool:
    return PullReadings.of(service.opened).folder.is_dir()


part = PageRouter("Pull requests", "/pulls", position=2, shown_if=_has_pulls)


@part.get("/pulls", dependencies=[READ])
def show_pulls(request: Request, service: ProjectService) -> Response:
    """Show the pull requests of a project, newest first."""
    readings = {reading.run_id: reading for reading in PullReadings.of(service.opened).all()}
    values = {
        "listed": [*reversed(list_rounds(service.opened))],
        "readings": readings,
        "pull_step": pull_step,
    }
    return render(request, "pulls.html.j2", values)


@part.post("/runs/{run}/pull/sync", dependencies=[OPERATE, IN_TURN])
def sync(service: ProjectService, caller: Calling, run: str) -> Response:
    """Read the pull request of a run again."""
    # Imported here, because only pull requests need a client of a forge.
    from attractor.factory.pulls.sync import sync_pull

    def act() -> tuple[str, str]:
        work = sync_pull(service.root(run), service.opened, by=caller.name, sleep=refuse_to_wait)
        ending = asyncio.run(work).ending
        return _address(run), f"The pull request is {ending or 'open'}."

    return after(act, _address(run))


@part.post("/runs/{run}/pull/next", dependencies=[OPERATE, IN_TURN])
def begin_next(service: ProjectService, caller: Calling, run: str) -> Response:
    """Begin the next round of the pull request of a run."""

    def act() -> tuple[str, str]:
        command = RunCommand("pr next", [name_of(service, service.root(run))])
        started = walk(service, command, caller)
        return _address(started.id), "The next round of the pull request begins."

    return after(act, _address(run))


def _address(run: str) -> str:
    return f"/runs/{in_address(run)}"
