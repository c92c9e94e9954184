"""What needs a person, over all projects, answered in place."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import Form, Query, Request
from fastapi.responses import Response

from attractor.attention.rows import AttentionRow
from attractor.engine.questions.question import Question
from attractor.server.evidence import Evidence
from attractor.server.html.rendering import (
    PageRouter,
    after,
    fragments_pattern,
    render,
    render_fragments,
)
from attractor.server.http.scopes import (
    IN_TURN,
    OPERATE,
    READ,
    Calling,
    ProjectService,
    ServerService,
    reached_projects,
)
from attractor.server.pieces import PieceSource
from attractor.server.resources.attention import SettleBody, attention_of, settle_row
from attractor.server.run_actions import answer_question
from attractor.server.service import Service

part = PageRouter("Attention", "/attention", position=0)

PAGE_SIZE = 100
"""The number of rows of the page."""

AHEAD = 5
"""One of so many rows of a page is for the newest failures and questions, one for answers."""

PATIENCE_S = 0.5
"""The evidence that is not kept is read for so long; the next look reads more."""

FRAGMENTS = fragments_pattern("rows")
Words = Annotated[str, Form(max_length=20_000)]


@part.get("/attention", dependencies=[READ])
def show_attention(
    request: Request,
    service: ServerService,
    caller: Calling,
    *,
    newest: bool = False,
    begin: Annotated[int, Query(alias="from", ge=0, le=1_000_000)] = 0,
    fragment: Annotated[str, Query(pattern=FRAGMENTS)] = "",
    known: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Show what needs a person in all projects, the oldest first or the newest."""
    reading = service.index.catch_up_all(reached_projects(service, caller))
    found = attention_of(service, caller, only_known=reading is not None)
    rows, ahead = order_rows(found.rows, newest=newest)
    # A row that was settled meanwhile may have been the only one from there on.
    begin = begin if begin < len(rows) else 0
    values: Mapping[str, object] = {
        "rows": rows[begin : begin + PAGE_SIZE],
        "count": len(rows),
        "begin": begin,
        "newest": newest,
        "ahead": ahead,
        "most": PAGE_SIZE,
        "reading": reading,
        "snoozed": len(found.asleep),
        "troubles": found.troubles,
        "frozen": False,
        "pieces": PieceSource(service.pieces, known),
        "evidence_of": partial(_evidence_of, service, time.monotonic() + PATIENCE_S),
    }
    if fragment:
        return render_fragments(request, "attention", fragment, values)
    return render(request, "attention.html.j2", values)


def order_rows(rows: Sequence[AttentionRow], *, newest: bool) -> tuple[Sequence[AttentionRow], int]:
    """Return the rows in the order of the page, and how many of the newest are ahead of the oldest.

    The rows come with the oldest first. If one page does not show all of them, the newest failures
    and questions are ahead, then the newest answers: each is seen without going through the pages.
    """
    by_newest = sorted(rows, key=_latest, reverse=True)
    if newest:
        return by_newest, 0
    if len(rows) <= PAGE_SIZE:
        return rows, 0
    answers = [row for row in by_newest if row.message and not row.has_failed]
    others = [row for row in by_newest if row.has_failed or not row.message]
    ahead = [*others[: PAGE_SIZE // AHEAD], *answers[: PAGE_SIZE // AHEAD]]
    ids = {row.id for row in ahead}
    return [*ahead, *(row for row in rows if row.id not in ids)], len(ahead)


def _latest(row: AttentionRow) -> datetime:
    """Return the time of the newest task of a row: tasks of one cause are in the order of time."""
    return row.rows[-1].since if row.rows else row.since


def _evidence_of(service: Service, until: float, row: AttentionRow, question: Question) -> Evidence:
    root = row.project.runs_dir / row.run_id
    return service.evidence_of(row.project.project_id, root, question, until)


@part.post("/attention/{run}/answer", dependencies=[OPERATE])
def answer(
    service: ProjectService,
    caller: Calling,
    run: str,
    *,
    choice: Words,
    question: Words = "",
    why: Words = "",
) -> Response:
    """Answer a question of a run of any project."""

    def act() -> tuple[str, str]:
        words = answer_question(
            service, run, caller, answer=choice, question=question, why=why
        ).words
        return "/attention", f"{words[:1].upper()}{words[1:]}."

    return after(act, "/attention")


@part.post("/attention/settle", dependencies=[OPERATE, IN_TURN])
async def settle(request: Request, service: ServerService, caller: Calling) -> Response:
    """Do what a person chose of the choices of a row; of a common cause, for the shown tasks."""
    form = await request.form()
    fields = {name: str(one).replace("\r\n", "\n") for name, one in form.items()}
    row, choice = fields.pop("row", ""), fields.pop("choice", "")
    shown = [str(one) for one in form.getlist("shown")]
    fields = {name: one for name, one in fields.items() if name not in ("csrf", "shown")}

    def act() -> tuple[str, str]:
        body = SettleBody.of(choice=choice, fields=fields).model_copy(update={"rows": shown})
        words = settle_row(service, caller, row, body).words
        return "/attention", f"{words[:1].upper()}{words[1:]}."

    return await to_thread.run_sync(after, act, "/attention")
