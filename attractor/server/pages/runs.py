"""The list of runs, with those that wait for a person and those at work on top."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from attractor.base.amounts import format_size, number_of
from attractor.base.durations import parse_since
from attractor.base.errors import AttractorError
from attractor.engine.outcome import StageStatus
from attractor.engine.questions.question import Question
from attractor.engine.state.run_state import StatusWord
from attractor.factory.history.index import RunQuery
from attractor.factory.history.report import read_costs
from attractor.pipeline.garbage import Sweep
from attractor.pipeline.status import STOPPED, PlainWord, require_known_status
from attractor.records.summary import NOT_JUDGED, RunOverview
from attractor.server.access.callers import Caller
from attractor.server.evidence import Evidence
from attractor.server.html.rendering import (
    PageRouter,
    after,
    fragments_pattern,
    in_address,
    own_page,
    render,
    render_fragments,
    see_other,
)
from attractor.server.html.run_list import longest_waiting_first, row_of
from attractor.server.html.run_view import EVENT_TYPES
from attractor.server.http.scopes import OPERATE, READ, Calling, Serving
from attractor.server.run_actions import cancel_run, free_runs
from attractor.server.service import Service

MOST = 50
"""The number of runs of a page."""

MOST_WAITING = 10
"""The number of rows on top, each of a run that waits for a person."""

MOST_STOPPED = 5
"""The number of stopped runs on top."""

MOST_READ = 200
"""The number of waiting runs of which the oldest are found."""

STATUSES = (
    PlainWord.RUNNING.value,
    PlainWord.NEEDS_YOU.value,
    *(status.value for status in StatusWord),
    NOT_JUDGED,
    *(status.value for status in StageStatus),
)

part = PageRouter("Runs", "/runs", place=1, marked_at=("/start",))

FRAGMENTS = fragments_pattern("now", "list")
Word = Annotated[str, Query(max_length=200)]
Words = Annotated[str, Form(max_length=20_000)]


@part.get("/", dependencies=[READ])
def show_start() -> Response:
    """Show the start page: the runs."""
    return RedirectResponse("/runs", 303)


@part.get("/runs", dependencies=[READ])
def show_runs(
    request: Request,
    service: Serving,
    *,
    q: Word = "",
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
    query = RunQuery(
        words=q,
        status=status,
        pipeline=pipeline,
        goal=goal,
        since=parse_since(since, now, name="since").isoformat() if since else "",
        before=before,
        limit=MOST + 1,
    )
    # At the first request after a start, there may be many runs that the index does not know.
    reading = service.index.catch_up(project.runs_dir)
    find = service.index.known if reading else service.index.runs
    found = find(project.runs_dir, query)
    if status and not found:
        require_known_status(status)
    filters = {"q": q, "status": status, "pipeline": pipeline, "goal": goal, "since": since}
    chosen = {name: value for name, value in filters.items() if value}
    last = found[MOST - 1].directory.name if len(found) > MOST else ""
    is_overview = not before and not chosen
    facts, on_top = (
        _now(service, now) if is_overview and not reading else (dict[str, object](waiting=0), ())
    )
    places = {run.directory for run in on_top}
    listed = [*on_top, *(run for run in found[:MOST] if run.directory not in places)]
    values: dict[str, object] = {
        "rows": [row_of(run, now) for run in listed],
        "address_of": address_of,
        "next": f"/runs?{urlencode({**chosen, 'before': last})}{service.and_here}" if last else "",
        "list_address": f"/runs?{urlencode({**chosen, 'before': before})}{service.and_here}",
        "filters": filters,
        "is_filtered": bool(chosen),
        "is_first": not before,
        "is_overview": is_overview,
        "reading": reading,
        "statuses": STATUSES,
        "evidence_of": partial(_evidence_of, service),
        "event_types": EVENT_TYPES,
        "frozen": False,
        **facts,
    }
    if fragment:
        return render_fragments(request, "runs", fragment, values)
    return render(request, "runs.html.j2", values)


@part.post("/runs/several", dependencies=[OPERATE])
def act_on_several(
    service: Serving,
    caller: Calling,
    *,
    action: Annotated[Literal["cancel", "gc"], Form()],
    run: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    why: Words = "",
    back: Words = "/runs",
) -> Response:
    """Cancel the selected runs, or free what nobody needs of them."""
    if not run:
        return see_other(own_page(back), "No run is selected.", is_error=True)
    if action == "cancel":
        faults = list(_cancel(service, caller, run, why))
        said = f"Canceled {number_of(len(run) - len(faults), 'run')}."
        return see_other(own_page(back), " ".join([said, *faults]), is_error=bool(faults))
    return after(lambda: (own_page(back), _freed(free_runs(service, run))), own_page(back))


def _cancel(service: Service, caller: Caller, runs: Sequence[str], why: str) -> Iterator[str]:
    """Cancel runs; yield the error of each that cannot be canceled."""
    for run in runs:
        try:
            cancel_run(service, run, caller, why)
        except AttractorError as error:
            yield f"{run}: {error.in_one_line}."


def _freed(swept: Sweep) -> str:
    """Return in words what was removed, and why other files stay."""
    freed = len({one.run_id for one in swept.freed})
    of = f" of {number_of(freed, 'run')}" if freed else ""
    kept = [f"Kept {run}: {why}." for run, why in swept.kept.items()]
    return " ".join([f"Freed {format_size(swept.bytes)}{of}.", *kept, *swept.troubles])


def _now(service: Service, now: datetime) -> tuple[dict[str, object], Sequence[RunOverview]]:
    """Return the figures of now, and the runs on top: those that need a person or are at work."""
    index, folder = service.index, service.project.runs_dir
    asked = RunQuery(status=StatusWord.AWAITING_HUMAN.value, limit=MOST_READ)
    waiting = longest_waiting_first(index.runs(folder, asked))
    stopped = index.runs(folder, RunQuery(status=STOPPED, limit=MOST_STOPPED))
    live = index.runs(folder, RunQuery(is_live=True, limit=MOST))
    at_work = [run for run in live if run.status != StatusWord.AWAITING_HUMAN]
    today = now.replace(hour=0, minute=0, second=0, microsecond=0).isoformat()
    facts: dict[str, object] = {
        "waiting": len(waiting),
        "left_out": max(0, len(waiting) - MOST_WAITING),
        "running": sum(not run.wait for run in at_work),
        "is_at_work": bool(at_work),
        "cost_today": sum(day.cost_usd for day in read_costs(index, folder, today)),
    }
    return facts, [*waiting[:MOST_WAITING], *stopped, *at_work]


def _evidence_of(service: Service, run: RunOverview, question: Question) -> Evidence:
    return service.evidence.of(run.directory, question, service.project)


def address_of(run: RunOverview) -> str:
    """Return the address of the page of a run."""
    return f"/runs/{in_address(run.directory.name)}"
