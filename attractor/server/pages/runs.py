"""The list of runs, with the runs that wait for a person on top."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from attractor.base.durations import parse_since
from attractor.factory.ledger.index import RunQuery
from attractor.pipeline.status import listed_status
from attractor.server.html.rendering import PageRouter, render, render_fragment
from attractor.server.http.scopes import READ, Serving

MOST = 50
"""The number of runs of a page."""

part = PageRouter("Runs", "/runs", place=1)

Word = Annotated[str, Query(max_length=200)]


@part.get("/", dependencies=[READ])
def show_start() -> Response:
    """Show the start page: the runs."""
    return RedirectResponse("/runs", 303)


@part.get("/runs", dependencies=[READ])
def show_runs(
    request: Request,
    service: Serving,
    *,
    status: Word = "",
    pipeline: Word = "",
    since: Word = "",
    before: Word = "",
    fragment: Annotated[str, Query(pattern="^(waiting|list|)$")] = "",
) -> Response:
    """Show the runs that the filters find, newest first."""
    host = service.host
    moment = parse_since(since, host.clock.now(), name="since").isoformat() if since else ""
    query = RunQuery(status=status, pipeline=pipeline, since=moment, before=before, limit=MOST + 1)
    found = service.index.runs(host.runs_dir, query)
    waiting = service.index.runs(host.runs_dir, RunQuery(status="awaiting_human", limit=MOST))
    filters = {"status": status, "pipeline": pipeline, "since": since}
    values: dict[str, object] = {
        "runs": found[:MOST],
        "next": found[MOST - 1].directory.name if len(found) > MOST else "",
        "waiting": waiting,
        "filters": filters,
        "is_filtered": any(filters.values()),
        "listed_status": listed_status,
        "now": host.clock.now(),
    }
    if fragment:
        return render_fragment(request, f"runs/{fragment}.html.j2", values)
    return render(request, "runs.html.j2", values)
