"""The list of runs, with the runs that wait for a person on top."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from attractor.base.durations import parse_since
from attractor.engine.outcome import StageStatus
from attractor.engine.state.run_state import StatusWord
from attractor.factory.history.index import RunQuery
from attractor.factory.history.report import read_costs
from attractor.pipeline.status import STOPPED, PlainWord, require_known_status
from attractor.records.summary import NOT_JUDGED, RunOverview
from attractor.server.html.rendering import (
    PageRouter,
    fragments_pattern,
    in_address,
    render,
    render_fragments,
)
from attractor.server.html.run_list import ended_among, running_card, waiting_cards
from attractor.server.html.run_view import EVENT_TYPES
from attractor.server.http.scopes import READ, Serving
from attractor.server.service import Service

MOST = 50
"""The number of runs of a page."""

MOST_WAITING = 10
"""The number of cards on top, each of something that waits for a person."""

MOST_SHOWN = 5
"""The number of ended runs in each group on top."""

MOST_READ = 200
"""The number of waiting runs of which the oldest cards are found."""

STATUSES = (
    PlainWord.RUNNING.value,
    PlainWord.NEEDS_YOU.value,
    *(status.value for status in StatusWord),
    NOT_JUDGED,
    *(status.value for status in StageStatus),
)

part = PageRouter("Runs", "/runs", place=1, marked_at=("/start",))

FRAGMENTS = fragments_pattern("waiting", "now", "list")
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
    project = service.project
    now = project.machine.clock.now()
    moment = parse_since(since, now, name="since").isoformat() if since else ""
    query = RunQuery(
        status=status, pipeline=pipeline, goal=goal, since=moment, before=before, limit=MOST + 1
    )
    found = service.index.runs(project.runs_dir, query)
    if status and not found:
        require_known_status(status)
    filters = {"status": status, "pipeline": pipeline, "goal": goal, "since": since}
    chosen = {name: value for name, value in filters.items() if value}
    last = found[MOST - 1].directory.name if len(found) > MOST else ""
    waiting = RunQuery(status=StatusWord.AWAITING_HUMAN.value, limit=MOST_READ)
    cards = waiting_cards(service.index.runs(project.runs_dir, waiting))
    values: dict[str, object] = {
        "runs": found[:MOST],
        "address_of": address_of,
        "next": f"/runs?{urlencode({**chosen, 'before': last})}{service.and_here}" if last else "",
        "list_address": f"/runs?{urlencode({**chosen, 'before': before})}{service.and_here}",
        "cards": cards[:MOST_WAITING],
        "waiting": len(cards),
        "filters": filters,
        "is_filtered": bool(chosen),
        "is_first": not before,
        "is_overview": not before and not chosen,
        "statuses": STATUSES,
        "changes_of": partial(_changes_of, service),
        "event_types": EVENT_TYPES,
        "frozen": False,
    }
    values |= _now(service, found, now) if values["is_overview"] else {}
    if fragment:
        return render_fragments(request, "runs", fragment, values)
    return render(request, "runs.html.j2", values)


def _now(service: Service, newest: Sequence[RunOverview], now: datetime) -> Mapping[str, object]:
    """Return the values for the runs at work, the ones that just ended, and the cost of today."""
    folder = service.project.runs_dir
    live = service.index.runs(folder, RunQuery(is_live=True, limit=MOST))
    at_work = [run for run in live if run.status != StatusWord.AWAITING_HUMAN]
    today = now.replace(hour=0, minute=0, second=0, microsecond=0).isoformat()
    return {
        "running": [running_card(run, now) for run in at_work if not run.wait],
        "held": [run for run in at_work if run.wait],
        "stopped": service.index.runs(folder, RunQuery(status=STOPPED, limit=MOST_SHOWN)),
        "ended": ended_among(newest, MOST_SHOWN),
        "cost_today": sum(day.cost_usd for day in read_costs(service.index, folder, today)),
    }


def _changes_of(service: Service, run: RunOverview) -> str:
    return service.changes.words(run.directory, service.project)


def address_of(run: RunOverview) -> str:
    """Return the address of the page of a run."""
    return f"/runs/{in_address(run.directory.name)}"
