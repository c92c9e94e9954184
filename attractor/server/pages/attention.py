"""What needs a person, over all projects, answered in place."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import Response

from attractor.base.amounts import number_of
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
    Serving,
    ServingAll,
    ServingOther,
    reached_projects,
)
from attractor.server.pieces import PieceSource
from attractor.server.resources.growth import start
from attractor.server.resources.worlds import (
    ChoiceBody,
    DraftBody,
    HeldBody,
    attention_of,
    sender_of,
    settle_draft_row,
    settle_held_row,
    settle_interrupted,
)
from attractor.server.run_actions import answer_question
from attractor.server.service import Service
from attractor.worlds.attention import AttentionRow, Need, mark_rows_seen

part = PageRouter("Attention", "/attention", place=0, marked_at=("/worlds", "/actors"))

MOST = 100
"""The number of rows of the page."""

PATIENCE_S = 0.5
"""The evidence that is not kept is read for so long; the next look reads more."""

FRAGMENTS = fragments_pattern("rows")
Words = Annotated[str, Form(max_length=20_000)]


@part.get("/attention", dependencies=[READ])
def show_attention(
    request: Request,
    service: ServingAll,
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
    rows = [*reversed(found.rows)] if newest else [*found.rows]
    # A row that was settled meanwhile may have been the only one from there on.
    begin = begin if begin < len(rows) else 0
    values: Mapping[str, object] = {
        "rows": rows[begin : begin + MOST],
        "count": len(rows),
        "begin": begin,
        "newest": newest,
        "most": MOST,
        "reading": reading,
        "snoozed": found.snoozed,
        "troubles": found.troubles,
        "Need": Need,
        "frozen": False,
        "pieces": PieceSource(service.pieces, known),
        "evidence_of": partial(_evidence_of, service, time.monotonic() + PATIENCE_S),
    }
    if fragment:
        return render_fragments(request, "attention", fragment, values)
    return render(request, "attention.html.j2", values)


def _evidence_of(service: Service, until: float, row: AttentionRow, question: Question) -> Evidence:
    root = row.project.runs_dir / row.run_id
    return service.evidence_of(row.project.project_id, root, question, until)


@part.post("/attention/{run}/answer", dependencies=[OPERATE])
def answer(
    service: Serving,
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


@part.post("/attention/{project}/app/start", dependencies=[OPERATE, IN_TURN])
def start_app(service: ServingOther) -> Response:
    """Start the app of a project again."""
    return after(lambda: ("/attention", f"The app answers at {start(service).url}."), "/attention")


@part.post("/attention/{project}/cause/seen", dependencies=[OPERATE])
def see_all(
    service: ServingOther, caller: Calling, row: Annotated[list[str], Form(max_length=1000)]
) -> Response:
    """Mark failed tasks of one cause as reviewed, those that the page showed."""

    def act() -> tuple[str, str]:
        own = [one for one in attention_of(service, caller).rows if one.rows]
        shown = [
            one
            for group in own
            if group.project.project_id == service.project_id
            for one in group.rows
            if one.id in row
        ]
        mark_rows_seen(shown, sender_of(caller), service.opened)
        return "/attention", f"{number_of(len(shown), 'task')} marked as reviewed."

    return after(act, "/attention")


@part.post("/attention/{project}/held", dependencies=[OPERATE, IN_TURN])
def answer_held(service: ServingOther, caller: Calling, row: Words, choice: Words) -> Response:
    """Decide what becomes of messages that wait because several runs stopped for one cause."""

    def act() -> tuple[str, str]:
        settle_held_row(service, caller, row, HeldBody.of(choice=choice))
        return "/attention", f"{choice.capitalize()}."

    return after(act, "/attention")


@part.post("/attention/{project}/draft", dependencies=[OPERATE, IN_TURN])
def answer_draft(
    service: ServingOther, caller: Calling, row: Words, choice: Words, reason: Words = ""
) -> Response:
    """Make a desire of a draft, or dismiss it."""

    def act() -> tuple[str, str]:
        body = DraftBody.of(choice=choice, reason=reason)
        next_ = settle_draft_row(service, caller, row, body).next
        return "/attention", f"It is a desire now. Next: {next_}" if next_ else "Dismissed."

    return after(act, "/attention")


@part.post("/attention/{project}/{name}/interrupted", dependencies=[OPERATE, IN_TURN])
def settle(service: ServingOther, caller: Calling, name: str, choice: Words) -> Response:
    """Decide what becomes of a task whose process died."""

    def act() -> tuple[str, str]:
        body = ChoiceBody.of(choice=choice)
        settle_interrupted(service, caller, name, body)
        return "/attention", f"{name}: {choice}."

    return after(act, "/attention")
