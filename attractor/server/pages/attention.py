"""What needs a person, over all projects, answered in place."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import Response

from attractor.engine.questions.question import Question
from attractor.server.evidence import Evidence
from attractor.server.html.rendering import (
    PageRouter,
    after,
    fragments_pattern,
    render,
    render_fragments,
)
from attractor.server.http.scopes import OPERATE, READ, Calling, Serving, ServingAll, ServingOther
from attractor.server.pieces import PieceSource
from attractor.server.resources.worlds import ChoiceBody, attention_of, settle_interrupted
from attractor.server.run_actions import answer_question
from attractor.server.service import Service
from attractor.worlds.attention import AttentionRow, Need

part = PageRouter("Attention", "/attention", place=0, marked_at=("/worlds", "/actors"))

MOST = 50
"""The number of rows of the page; the oldest and the newest are always among them."""

FRAGMENTS = fragments_pattern("rows")
Words = Annotated[str, Form(max_length=20_000)]


@part.get("/attention", dependencies=[READ])
def show_attention(
    request: Request,
    service: ServingAll,
    caller: Calling,
    *,
    fragment: Annotated[str, Query(pattern=FRAGMENTS)] = "",
    known: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Show what needs a person in all projects, the oldest first."""
    found = attention_of(service, caller)
    rows = [*found.rows]
    values: Mapping[str, object] = {
        "rows": rows if len(rows) <= MOST else [*rows[: MOST - 10], *rows[-10:]],
        "count": len(rows),
        "left_out": max(0, len(rows) - MOST),
        "snoozed": found.snoozed,
        "troubles": found.troubles,
        "Need": Need,
        "frozen": False,
        "pieces": PieceSource(service.pieces, known),
        "evidence_of": partial(_evidence_of, service),
    }
    if fragment:
        return render_fragments(request, "attention", fragment, values)
    return render(request, "attention.html.j2", values)


def _evidence_of(service: Service, row: AttentionRow, question: Question) -> Evidence:
    root = row.project.runs_dir / row.run_id
    return service.evidence_of(row.project.project_id, root, question)


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


@part.post("/attention/{project}/{name}/interrupted", dependencies=[OPERATE])
def settle(service: ServingOther, caller: Calling, name: str, choice: Words) -> Response:
    """Decide what becomes of a task whose process died."""

    def act() -> tuple[str, str]:
        body = ChoiceBody.of(choice=choice)
        settle_interrupted(service, caller, name, body)
        return "/attention", f"{name}: {choice}."

    return after(act, "/attention")
