"""The list of runs, with the runs that wait for a person on top."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from attractor.base.durations import parse_since
from attractor.engine.outcome import StageStatus
from attractor.engine.state.run_state import StatusWord
from attractor.factory.ledger.index import RunQuery
from attractor.pipeline.runs.summary import NOT_JUDGED, RunSummary
from attractor.pipeline.status import listed_status
from attractor.server.html.rendering import (
    PageRouter,
    fragments_pattern,
    in_address,
    render,
    render_fragments,
)
from attractor.server.html.run_list import waiting_cards
from attractor.server.html.run_view import EVENT_TYPES
from attractor.server.http.scopes import READ, Serving

MOST = 50
"""The number of runs of a page."""

MOST_WAITING = 10
"""The number of cards on top, each of something that waits for a person."""

MOST_READ = 200
"""The number of waiting runs of which the oldest cards are found."""

STATUSES = (
    *(one.value for one in StatusWord),
    NOT_JUDGED,
    *(one.value for one in StageStatus),
)

part = PageRouter("Runs", "/runs", place=1, marked_at=("/start",))

FRAGMENTS = fragments_pattern("waiting", "list")
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
    goal: Word = "",
    since: Word = "",
    before: Word = "",
    fragment: Annotated[str, Query(pattern=FRAGMENTS)] = "",
) -> Response:
    """Show the runs that the filters find, newest first."""
    host = service.host
    now = host.clock.now()
    moment = parse_since(since, now, name="since").isoformat() if since else ""
    query = RunQuery(
        status=status, pipeline=pipeline, goal=goal, since=moment, before=before, limit=MOST + 1
    )
    found = service.index.runs(host.runs_dir, query)
    filters = {"status": status, "pipeline": pipeline, "goal": goal, "since": since}
    chosen = {name: value for name, value in filters.items() if value}
    last = found[MOST - 1].directory.name if len(found) > MOST else ""
    waiting = RunQuery(status=StatusWord.AWAITING_HUMAN.value, limit=MOST_READ)
    cards = waiting_cards(service.index.runs(host.runs_dir, waiting))
    values: dict[str, object] = {
        "runs": found[:MOST],
        "address_of": address_of,
        "next": f"/runs?{urlencode({**chosen, 'before': last})}" if last else "",
        "list_address": f"/runs?{urlencode({**chosen, 'before': before})}",
        "cards": cards[:MOST_WAITING],
        "waiting": len(cards),
        "filters": filters,
        "is_filtered": bool(chosen),
        "is_first": not before,
        "statuses": STATUSES,
        "listed_status": listed_status,
        "event_types": EVENT_TYPES,
        "frozen": False,
    }
    if fragment:
        return render_fragments(request, "runs", fragment, values)
    return render(request, "runs.html.j2", values)


def address_of(one: RunSummary) -> str:
    """Return the address of the page of a run."""
    return f"/runs/{in_address(one.directory.name)}"
