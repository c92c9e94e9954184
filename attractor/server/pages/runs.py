"""The list of runs, with those that wait for a person and those at work on top."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from attractor.base.amounts import format_size, number_of
from attractor.base.durations import parse_since
from attractor.base.errors import AttractorError
from attractor.engine.outcome import NOTHING_USED, StageStatus
from attractor.engine.questions.question import Question
from attractor.engine.state.run_state import StatusWord
from attractor.factory.history.index import RunIndex, RunQuery
from attractor.factory.history.report import read_costs
from attractor.factory.project import ProjectFolder
from attractor.pipeline.garbage import Sweep
from attractor.pipeline.status import PlainWord, require_known_status
from attractor.records.diagnosis.needs import STOPPED
from attractor.records.summary import NOT_JUDGED, RunOverview
from attractor.server.access.callers import Caller
from attractor.server.evidence import Evidence
from attractor.server.html.rendering import (
    PageRouter,
    after,
    in_address,
    own_page,
    render,
    see_other,
)
from attractor.server.html.run_list import longest_waiting_first, row_of
from attractor.server.html.run_view import EVENT_TYPES
from attractor.server.http.scopes import (
    OPERATE,
    READ,
    Calling,
    ProjectService,
    enter_run,
    reached_projects,
)
from attractor.server.pieces import PieceSource
from attractor.server.run_actions import cancel_run, free_runs
from attractor.server.service import Service

PAGE_SIZE = 50
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

part = PageRouter("Runs", "/runs", position=1, marked_at=("/start",))

FRAGMENTS = ("runs/now", "runs/list")
Word = Annotated[str, Query(max_length=200)]
Words = Annotated[str, Form(max_length=20_000)]


@part.get("/", dependencies=[READ])
def show_start() -> Response:
    """Show the start page: the runs."""
    return RedirectResponse("/runs", 303)


def _read_filters(
    q: Word = "", status: Word = "", pipeline: Word = "", goal: Word = "", since: Word = ""
) -> Mapping[str, str]:
    return {"q": q, "status": status, "pipeline": pipeline, "goal": goal, "since": since}


@part.get("/runs", dependencies=[READ])
def show_runs(
    request: Request,
    service: ProjectService,
    caller: Calling,
    filters: Annotated[Mapping[str, str], Depends(_read_filters)],
    *,
    everywhere: bool = False,
    before: Word = "",
    known: Word = "",
) -> Response:
    """Show the runs that the filters find, newest first: of a project, or of all."""
    now = service.project.machine.clock.now()
    projects = reached_projects(service, caller) if everywhere else dict[Path, ProjectFolder]()
    folders = [*projects] if everywhere else [service.project.runs_dir]
    query = _query(filters, before, now)
    # At the first request after a start, there may be many runs that the index does not know.
    index = service.index
    reading = index.catch_up_all(folders)
    found = index.known(folders, query) if reading else index.everywhere(folders, query)
    if query.status and not found:
        require_known_status(query.status)
    chosen = {name: value for name, value in filters.items() if value}
    last = found[PAGE_SIZE - 1].directory.name if len(found) > PAGE_SIZE else ""
    is_overview = not before and not chosen
    facts, on_top = (
        _now(index, folders, now)
        if is_overview and not reading
        else (dict[str, object](waiting=0), ())
    )
    places = {run.directory for run in on_top}
    listed = [*on_top, *(run for run in found[:PAGE_SIZE] if run.directory not in places)]
    of_project = "&everywhere=yes" if everywhere else service.and_here
    values: dict[str, object] = {
        "everywhere": everywhere,
        "projects_of": {folder: one.root.name for folder, one in projects.items()},
        "rows": [row_of(run, now) for run in listed],
        "address_of": address_of,
        "next": f"/runs?{urlencode({**chosen, 'before': last})}{of_project}" if last else "",
        "list_address": f"/runs?{urlencode({**chosen, 'before': before})}{of_project}",
        "filters": filters,
        "is_filtered": bool(chosen),
        "is_first": not before,
        "is_overview": is_overview,
        "reading": reading,
        "statuses": STATUSES,
        "evidence_of": partial(_evidence_of, service, projects),
        "event_types": EVENT_TYPES,
        "frozen": False,
        "pieces": PieceSource(service.pieces, known),
        **facts,
    }
    return render(request, "runs.html.j2", values, fragments=FRAGMENTS)


def _query(filters: Mapping[str, str], before: str, now: datetime) -> RunQuery:
    since = filters["since"]
    return RunQuery(
        words=filters["q"],
        status=filters["status"],
        pipeline=filters["pipeline"],
        goal=filters["goal"],
        since=parse_since(since, now, name="since").isoformat() if since else "",
        before=before,
        limit=PAGE_SIZE + 1,
    )


@part.post("/runs/several", dependencies=[OPERATE])
def act_on_several(
    service: ProjectService,
    caller: Calling,
    *,
    action: Annotated[Literal["cancel", "gc"], Form()],
    run: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    why: Words = "",
    back: Words = "/runs",
) -> Response:
    """Cancel the selected runs, or free their files as `attractor gc` would."""
    if not run:
        return see_other(own_page(back), "No run is selected.", is_error=True)
    places = {one: enter_run(service, caller, one) for one in run}
    if action == "cancel":
        faults = list(_cancel(places, caller, why))
        said = f"Canceled {number_of(len(run) - len(faults), 'run')}."
        return see_other(own_page(back), " ".join([said, *faults]), is_error=bool(faults))

    def free() -> tuple[str, str]:
        # A list of the services of the runs, each once.
        own = {id(place): place for place in places.values()}.values()
        swept = [free_runs(one, [run for run in places if places[run] is one]) for one in own]
        return own_page(back), " ".join(map(_freed, swept))

    return after(free, own_page(back))


def _cancel(places: Mapping[str, Service], caller: Caller, why: str) -> Iterator[str]:
    """Cancel runs of projects; yield the error of each that cannot be canceled."""
    for run, place in places.items():
        try:
            cancel_run(place, run, caller, why)
        except AttractorError as error:
            yield f"{run}: {error.in_one_line}."


def _freed(swept: Sweep) -> str:
    """Return in words what was removed, and why other files stay."""
    freed = len({one.run_id for one in swept.freed})
    of = f" of {number_of(freed, 'run')}" if freed else ""
    kept = [f"Kept {run}: {why}." for run, why in swept.kept.items()]
    return " ".join([f"Freed {format_size(swept.bytes)}{of}.", *kept, *swept.troubles])


def _now(
    index: RunIndex, folders: Sequence[Path], now: datetime
) -> tuple[dict[str, object], Sequence[RunOverview]]:
    """Return the figures of now, and the runs on top: those that need a person or are at work."""
    asked = RunQuery(status=StatusWord.AWAITING_HUMAN.value, limit=MOST_READ)
    waiting = longest_waiting_first(index.everywhere(folders, asked))
    stopped = index.everywhere(folders, RunQuery(status=STOPPED, limit=MOST_STOPPED))
    live = index.everywhere(folders, RunQuery(is_live=True, limit=PAGE_SIZE))
    at_work = [run for run in live if run.status != StatusWord.AWAITING_HUMAN]
    today = now.replace(hour=0, minute=0, second=0, microsecond=0).isoformat()
    facts: dict[str, object] = {
        "waiting": len(waiting),
        "left_out": max(0, len(waiting) - MOST_WAITING),
        "running": sum(not run.wait for run in at_work),
        "is_at_work": bool(at_work),
        "cost_today": sum(
            (day.usage for folder in folders for day in read_costs(index, folder, today)),
            NOTHING_USED,
        ),
    }
    return facts, [*waiting[:MOST_WAITING], *stopped, *at_work]


def _evidence_of(
    service: Service,
    projects: Mapping[Path, ProjectFolder],
    run: RunOverview,
    question: Question,
) -> Evidence:
    other = projects.get(run.directory.parent)
    return service.evidence_of(other.project_id if other else "", run.directory, question)


def address_of(run: RunOverview) -> str:
    """Return the address of the page of a run."""
    return f"/runs/{in_address(run.directory.name)}"
