"""The stages of a run: attempts, files, transcripts, changes and the timeline."""

import asyncio
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import Field

from attractor.pipeline.workspace.diffs import LARGEST_DIFF, read_run_diff, read_stage_diff
from attractor.records.timeline import StageAttempt, Wait, find_attempt, read_stages, read_timeline
from attractor.records.transcript import EntryKind, read_page
from attractor.server.http.cursors import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    read_number,
    write_cursor,
)
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import READ, ProjectService
from attractor.server.service import Service

part = APIRouter(tags=["stages"], responses=problem_statuses(400, 404, 409))

LARGEST_FILE = 8 << 20
"""The maximum number of bytes of a file that is answered; the rest is left out."""

Stage = Annotated[
    str,
    Path(max_length=500, description="NODE (its last attempt), NODE@VISIT or NODE@VISIT.ATTEMPT."),
]


class PeriodAnswer(AnswerModel):
    """A time in which a process worked on an attempt; `end` is null while it works."""

    start: str
    end: str | None


class EdgeAnswer(AnswerModel):
    """An edge that the walk took after a visit, and the reason."""

    target: str
    reason: str
    label: str
    condition: str


class ChildAnswer(AnswerModel):
    """A run that an attempt started; its address is that of the run, a colon and the name."""

    name: str
    run_id: str
    directory: str


class FileAnswer(AnswerModel):
    """A file of an attempt."""

    name: str
    bytes: int


class StageAnswer(AnswerModel):
    """An attempt of a visit of a node."""

    id: str = Field(description="NODE@VISIT.ATTEMPT, for addresses.")
    node: str
    visit: int
    attempt: int
    branch: str
    name: str
    state: str
    periods: list[PeriodAnswer]
    seconds: float
    outcome: str
    preferred_label: str
    notes: str
    error: str
    failure_class: str
    will_retry: bool
    assumed: bool
    fidelity: str
    model: str
    cost_usd: float
    input_tokens: int
    output_tokens: int
    unpriced_tokens: int = Field(description="The tokens of calls whose cost is unknown.")
    edges: list[EdgeAnswer]
    children: list[ChildAnswer]
    files: list[FileAnswer]


class BarAnswer(AnswerModel):
    """An attempt in the timeline."""

    stage: str
    node: str
    branch: str
    state: str
    periods: list[PeriodAnswer]


class WaitAnswer(AnswerModel, of=Wait):
    """A question to a person; `until` is null while it is open."""

    since: str
    until: str | None
    proof: str = Field(description="How the author of the answer was identified.")


class NoteAnswer(AnswerModel):
    """An interruption, a resume, or an order of a person."""

    time: str
    words: str


class TimelineAnswer(AnswerModel):
    """The attempts of a run in time, the waits for people, and notable events."""

    start: str | None
    end: str | None
    live: bool
    bars: list[BarAnswer]
    waits: list[WaitAnswer]
    notes: list[NoteAnswer]


class EntryAnswer(AnswerModel):
    """An entry of a transcript."""

    kind: EntryKind
    time: str
    subagent: str = Field(description="Empty for the agent of the stage.")
    title: str
    body: list[str]
    is_edit: bool = Field(description="Lines of the body begin with + or -.")


class FileDiffAnswer(AnswerModel):
    """The changes of a file as a unified diff."""

    path: str
    added: int
    deleted: int
    binary: bool
    text: str


class DiffAnswer(AnswerModel):
    """The changes of several files."""

    files: list[FileDiffAnswer]
    remarks: str
    cut: bool = Field(description=f"The diff has more than {LARGEST_DIFF} bytes.")


@part.get("/api/v1/runs/{run}/stages", dependencies=[READ])
def list_stages(
    service: ProjectService, run: str, cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Page[StageAnswer]:
    """List the attempts at the stages of a run, in the order in which they began."""
    begin = read_number(cursor)
    stages = read_stages(service.root(run))
    shown = stages[begin : begin + limit]
    end = begin + len(shown)
    items = [StageAnswer.model_validate(one.to_record()) for one in shown]
    return Page(items=items, next=write_cursor(end) if end < len(stages) else "")


@part.get("/api/v1/runs/{run}/timeline", dependencies=[READ])
def show_timeline(service: ProjectService, run: str) -> TimelineAnswer:
    """Show the attempts of a run in time, waits for people, interruptions and orders."""
    return TimelineAnswer.model_validate(read_timeline(service.root(run)).to_record())


@part.get("/api/v1/runs/{run}/diff", dependencies=[READ])
def show_run_diff(service: ProjectService, run: str) -> DiffAnswer:
    """Show the changes of a run so far, from its base."""
    diff = asyncio.run(read_run_diff(service.root(run), service.project))
    return DiffAnswer.model_validate(diff.to_record())


@part.get("/api/v1/runs/{run}/stages/{stage}", dependencies=[READ])
def show_stage(service: ProjectService, run: str, stage: Stage) -> StageAnswer:
    """Show an attempt at a stage."""
    return StageAnswer.model_validate(_attempt(service, run, stage).to_record())


@part.get("/api/v1/runs/{run}/stages/{stage}/diff", dependencies=[READ])
def show_stage_diff(service: ProjectService, run: str, stage: Stage) -> DiffAnswer:
    """Show the changes of a stage."""
    diff = read_stage_diff(_attempt(service, run, stage))
    return DiffAnswer.model_validate(diff.to_record())


@part.get("/api/v1/runs/{run}/stages/{stage}/transcript", dependencies=[READ])
def show_transcript(
    service: ProjectService,
    run: str,
    stage: Stage,
    *,
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
    follow: Annotated[
        bool, Query(description="Give a cursor on the last page too, for entries to come.")
    ] = False,
) -> Page[EntryAnswer]:
    """Show the transcript of the agent of a stage: words, tool calls, edits, warnings."""
    one = _attempt(service, run, stage)
    if one.folder is None:
        return Page(items=[])
    page = read_page(one.folder, offset=read_number(cursor), most=limit)
    items = [EntryAnswer.model_validate(entry.to_record()) for entry in page.entries]
    return Page(items=items, next="" if page.is_last and not follow else write_cursor(page.end))


@part.get(
    "/api/v1/runs/{run}/stages/{stage}/files/{name}",
    dependencies=[READ],
    response_class=Response,
    responses={
        200: {
            "description": f"The file; after {LARGEST_FILE} bytes it is cut.",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
def read_stage_file(
    service: ProjectService, run: str, stage: Stage, name: Annotated[str, Path(max_length=300)]
) -> Response:
    """Show a file of an attempt, such as prompt.md, as text."""
    content = _attempt(service, run, stage).read_file(name, most=LARGEST_FILE)
    try:
        content.decode()
        media_type = "text/plain; charset=utf-8"
    except UnicodeDecodeError:
        media_type = "application/octet-stream"
    kind = "inline" if media_type.startswith("text") else "attachment"
    headers = {
        "content-disposition": f"{kind}; filename*=UTF-8''{quote(name, safe='')}",
        "x-content-type-options": "nosniff",
    }
    return Response(content, media_type=media_type, headers=headers)


def _attempt(service: Service, run: str, stage: str) -> StageAttempt:
    return find_attempt(read_stages(service.root(run)), stage)
