"""Execute snippets of code, each in a fresh sandbox."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request

from attractor.server.errors import CallerGone
from attractor.server.http.problems import problem_statuses
from attractor.server.http.scopes import OPERATE, ProjectService
from attractor.snippets.snippet import Execution, ExtendedExecution, Snippet

part = APIRouter(tags=["evals"], responses=problem_statuses(400))

Extended = Annotated[bool, Query(description="Also answer `stderr`, `timedOut` and `truncated`.")]


@part.post("/api/evals/execute", dependencies=[OPERATE])
async def execute(
    service: ProjectService, request: Request, body: Snippet, extended: Extended = False
) -> ExtendedExecution | Execution:
    """Execute code or a command in a fresh sandbox, which is removed afterwards.

    A few snippets are executed at one time; others wait. The sandbox ends if the caller closes the
    connection.
    """
    executing = asyncio.ensure_future(service.snippets.execute(body))
    leaving = asyncio.ensure_future(_leave(request))
    try:
        await asyncio.wait({executing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not executing.done():
            raise CallerGone()
        found = executing.result()
    finally:
        executing.cancel()
        leaving.cancel()
    return found if extended else found.short()


async def _leave(request: Request) -> None:
    """Wait until the caller closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
