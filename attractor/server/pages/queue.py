"""The page of the queues: the runs that wait to land on a branch, and why each one waits."""

import asyncio
from itertools import groupby
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from attractor.factory.operations.queue import ShownRun, explain_queues, remove_run
from attractor.factory.promotion_queue import PromotionQueues, needs_decision
from attractor.server.html.rendering import PageRouter, after, render
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, ProjectService
from attractor.server.service import Service


def _has_runs(service: Service) -> bool:
    queues = PromotionQueues.of(service.opened)
    # A damaged queue is a trouble of *Attention*.
    return any(queues.folder.glob("*.json"))


part = PageRouter("Queue", "/queue", position=2, shown_if=_has_runs)


@part.get("/queue", dependencies=[READ, IN_TURN])
def show_queues(request: Request, service: ProjectService) -> Response:
    """Show the runs of the queues of a project, in their order."""
    shown = asyncio.run(explain_queues(service.opened))
    branches = [(branch, [*runs]) for branch, runs in groupby(shown, lambda run: run.branch)]
    values = {"branches": branches, "is_undecided": _is_undecided}
    return render(request, "queue.html.j2", values)


def _is_undecided(shown: ShownRun) -> bool:
    return shown.why == needs_decision(shown.branch, shown.run)


@part.post("/queue/{run}/remove", dependencies=[OPERATE])
def remove(
    service: ProjectService, caller: Calling, run: str, branch: Annotated[str, Form()] = ""
) -> Response:
    """Remove a run from the queue of a branch."""
    address = f"/queue{service.here}"

    def act() -> tuple[str, str]:
        queue = remove_run(run, service.opened, branch=branch, by=caller.name)
        return address, f"{run} is removed from the queue of {queue.branch}."

    return after(act, address)
