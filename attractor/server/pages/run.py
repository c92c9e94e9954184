"""The page of a run: graph, timeline, stages, events, changes, context and checkpoint."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from attractor.base.dataclasses import dataclass
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import state_to_record
from attractor.pipeline.status import PlainWord
from attractor.records.context import read_context
from attractor.records.stage_output import read_output
from attractor.records.timeline import find_attempt, read_stages
from attractor.server.drawings import PLAIN, FoldKind, Look
from attractor.server.fleet.view import at, read_run
from attractor.server.html.changes import read_changes, split_query
from attractor.server.html.factory_facts import read_facts
from attractor.server.html.highlighting import highlighted
from attractor.server.html.json_parts import part_at, pretty
from attractor.server.html.rendering import PageRouter, in_address, render
from attractor.server.html.run_view import (
    EVENT_TYPES,
    RunView,
    judge_address,
    read_event_page,
    read_view,
    run_tabs,
    run_values,
)
from attractor.server.html.stage_output import AT_THE_END, FIRST_ERROR, LogPlace
from attractor.server.html.stage_view import read_text, view_stage
from attractor.server.html.timeline_groups import fork_point, newest_groups
from attractor.server.http.scopes import READ, ProjectService
from attractor.server.pieces import PieceSource
from attractor.server.service import Service

part = PageRouter()

RUN = "/runs/{run}"
MOST_BRANCHES = 500
"""The number of branches that are unfolded, or drawn beside others, in an address."""

FRAGMENTS = [f"run/{one}" for one in ("head", "fleet", "question", "graph", "stage", "timeline")]
Word = Annotated[str, Query(max_length=200)]
Stream = Annotated[str, Query(pattern="^(stdout|stderr|)$")]


@dataclass(frozen=True)
class PageChoice:
    """The parameters of the page of a run: its stage, its tab, the part of its output, and the
    look of the graph.

    `known`: the tokens of the fragments that the page has, which gets what changed since.
    `unfolded`: the branches of the timeline, and the menus, that are open in the page. `is_whole`:
    a large graph and all attempts are in the page from the beginning. With `split_query`, changes
    are side by side.
    """

    stage: str = ""
    tab: str = ""
    place: LogPlace = AT_THE_END
    look: Look = PLAIN
    known: str = ""
    unfolded: tuple[str, ...] = ()
    is_whole: bool = False
    split_query: str = ""

    @property
    def query(self) -> str:
        """The parameters of the stage and of what is shown of it."""
        chosen = f"?stage={in_address(self.stage)}&tab={in_address(self.tab)}"
        whole = "&whole=yes" if self.is_whole else ""
        return f"{chosen}{self.place.query}{whole}{self.split_query.replace('?', '&')}"


NO_CHOICE = PageChoice()


def _read_choice(
    request: Request,
    tab: Word = "",
    stream: Stream = "",
    q: Word = "",
    line: Annotated[str, Query(pattern=f"^([0-9]{{1,9}}|{FIRST_ERROR}|)$")] = "",
    known: Word = "",
    unfolded: Annotated[str, Query(max_length=10_000)] = "",
    direction: Annotated[str, Query(pattern="^(TB|LR|)$")] = "",
    fold: FoldKind = FoldKind.DEFAULT,
    open: Annotated[Sequence[Word], Query(max_length=MOST_BRANCHES)] = (),
    out: Annotated[Sequence[Word], Query(max_length=MOST_BRANCHES)] = (),
    whole: bool = False,
) -> PageChoice:
    look = Look(direction, fold, tuple(open), tuple(out))
    place = LogPlace(stream, q, line)
    opened = tuple(unfolded.split(","))
    return PageChoice("", tab, place, look, known, opened, whole, split_query(request))


Choosing = Annotated[PageChoice, Depends(_read_choice)]


def _view(service: Service, run: str, look: Look = PLAIN) -> RunView:
    root = service.root(run)
    drawing = service.graph_drawings.of_run(root, look)
    with service.timelines.reading(root) as reader:
        return read_view(root, service.project.runs_dir, drawing, reader)


def _values(
    service: Service, view: RunView, section: str, choice: PageChoice = NO_CHOICE
) -> dict[str, object]:
    """Return the values that all views of a run need."""
    name = view.name
    address = f"/runs/{in_address(name)}"
    return {
        **run_values(
            view,
            address,
            PieceSource(service.pieces, choice.known),
            service.project.machine.clock.now(),
        ),
        "tabs": run_tabs(address),
        "section": section,
        "stream": f"/pipelines/{in_address(name)}/events?process=yes"
        f"&after={view.timeline.last_event}",
        "event_types": EVENT_TYPES,
        "evidence_of": partial(service.evidence_of, "", view.root),
        "judge_address": judge_address(view.manifest, service),
        "typical_seconds": service.index.typical_seconds(
            service.project.runs_dir, view.manifest.pipeline
        )
        if view.plain.word is not PlainWord.ENDED
        else 0.0,
        "frozen": False,
        "in_fleet": read_run(service.fleet, view.root.name),
        "fleet_at": at,
        "read_factory": partial(read_facts, view.root, view.manifest.run_id, service.opened),
        "query": "",
        "look_address": f"{address}{choice.query}",
    }


@part.get(RUN, dependencies=[READ])
def show_run(
    request: Request, service: ProjectService, run: str, choice: Choosing, stage: Word = ""
) -> Response:
    """Show a run with the stage that a person wants to see first, or with a certain one."""
    return _stages(request, service, run, replace(choice, stage=stage))


@part.get(RUN + "/stages/{stage}", dependencies=[READ])
def show_stage(
    request: Request, service: ProjectService, run: str, stage: str, choice: Choosing
) -> Response:
    """Show a run with one of its stages: `NODE`, `NODE@VISIT` or `NODE@VISIT.ATTEMPT`."""
    return _stages(request, service, run, replace(choice, stage=stage))


def _stages(request: Request, service: Service, run: str, choice: PageChoice) -> Response:
    view = _view(service, run, choice.look)
    name = choice.stage or view.default_stage()
    stage = view_stage(view, name, choice.tab, choice.place) if name else None
    attempt = stage.attempt if stage else None
    groups = view.groups
    selected = attempt.id if attempt else name
    shown = groups if choice.is_whole else newest_groups(groups, selected)
    values = {
        **_values(service, view, "Stages", choice),
        "timeline_groups": shown,
        "left_out": len(groups) - len(shown),
        "is_late": view.drawing.is_large
        and not (choice.is_whole or request.query_params.get("fragment")),
        "stage": stage,
        "unfolded": choice.unfolded,
        "picked": attempt.id if attempt and choice.stage else "",
        "open_visit": fork_point(attempt, view.timeline.attempts) if attempt else "",
        "selected": selected,
        "split_query": choice.split_query,
        "query": f"{choice.query}&{choice.look.query}".rstrip("&"),
    }
    return render(request, "run.html.j2", values, fragments=FRAGMENTS)


@part.get(RUN + "/stages/{stage}/files/{name}", dependencies=[READ])
def show_file(
    request: Request, service: ProjectService, run: str, stage: str, name: str
) -> Response:
    """Show a file of a stage as text."""
    view = _view(service, run)
    attempt = find_attempt(view.timeline.attempts, stage)
    text = highlighted(read_text(attempt, name), name)
    values = {**_values(service, view, ""), "attempt": attempt, "name": name, "text": text}
    return render(request, "run_file.html.j2", values)


@part.get(RUN + "/stages/{stage}/output", dependencies=[READ])
def download_output(service: ProjectService, run: str, stage: str, stream: Stream = "") -> Response:
    """Show the whole output of a stage, or one stream of it, as a file to keep."""
    attempt = find_attempt(read_stages(service.root(run)), stage)
    text = read_output(attempt, stream) or ""
    name = quote(f"{run}-{attempt.id}-{stream or 'output'}.txt".replace(":", "-"), safe="@")
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{name}",
        "x-content-type-options": "nosniff",
    }
    return Response(text.encode(), media_type="text/plain; charset=utf-8", headers=headers)


@part.get(RUN + "/changes", dependencies=[READ])
def show_changes(request: Request, service: ProjectService, run: str) -> Response:
    """Show the changes of a run from its base, in one column or side by side."""
    view = _view(service, run)
    values = {
        **_values(service, view, "Changes"),
        "changes_address": f"/runs/{in_address(run)}/changes",
        "split_query": split_query(request),
        "changes": read_changes(view.root, service.project),
    }
    return render(request, "run_changes.html.j2", values, fragments=("run/changes",))


@part.get(RUN + "/events", dependencies=[READ])
def show_events(
    request: Request,
    service: ProjectService,
    run: str,
    *,
    node: Word = "",
    type: Word = "",
    all: bool = False,
    before: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """Show the events of a run, newest first."""
    view = _view(service, run)
    values = _values(service, view, "Events")
    events, older = read_event_page(
        view.root, before=before, last=view.timeline.last_event, node=node, type_=type, is_all=all
    )
    query = f"?node={in_address(node)}&type={in_address(type)}{'&all=yes' if all else ''}"
    filters = f"{values['address']}/events{query}"
    values |= {
        "events": events,
        "older": f"{filters}&before={older}" if older else "",
        "nodes": list(view.drawing.graph.nodes),
        "node": node,
        "type": type,
        "is_all": all,
        "is_newest": not before,
        "events_address": filters,
    }
    return render(request, "run_events.html.j2", values, fragments=("run/events",))


@part.get(RUN + "/context", dependencies=[READ])
def show_context(request: Request, service: ProjectService, run: str) -> Response:
    """Show the context of a run and its branches."""
    view = _view(service, run)
    walks = read_context(view.root).walks
    values = {**_values(service, view, "Context"), "walks": walks, "pretty": pretty}
    return render(request, "run_context.html.j2", values)


@part.get(RUN + "/checkpoint", dependencies=[READ])
def show_checkpoint(
    request: Request,
    service: ProjectService,
    run: str,
    part: Annotated[str, Query(max_length=2000)] = "",
    begin: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """Show the state from which a process continues a run, a part at a time."""
    view = _view(service, run)
    directory = RunDirectory(view.root)
    shown = part_at(
        state_to_record(open_journal(directory.events, directory.checkpoint).state), part, begin
    )
    values = {
        **_values(service, view, "Checkpoint"),
        "walks": read_context(view.root).walks,
        "part": shown,
        "text": highlighted(shown.text, "state.json"),
    }
    return render(request, "run_checkpoint.html.j2", values)
