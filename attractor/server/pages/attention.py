"""What needs a person, over all projects: a list, and the chosen row, which is settled in place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from anyio import to_thread
from fastapi import Form, Query, Request
from fastapi.responses import Response

from attractor.attention.rows import AttentionRow
from attractor.server.html.changes import changes_in
from attractor.server.html.rendering import PageRouter, after, render
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
from attractor.server.resources.attention import (
    SettleBody,
    SnoozeBody,
    attention_of,
    look_at,
    settle_row,
    snooze_row,
    wake_row,
)
from attractor.server.run_actions import answer_question

part = PageRouter("Attention", "/attention", position=0)

PAGE_SIZE = 50
"""The number of rows of the page."""

AHEAD = 5
"""One of so many rows of a page is for the newest failures and questions, one for answers."""

FRAGMENTS = ("attention/rows", "attention/row")
Words = Annotated[str, Form(max_length=20_000)]
RowId = Annotated[str, Query(max_length=2000)]


@part.get("/attention", dependencies=[READ])
def show_attention(
    request: Request,
    service: ServerService,
    caller: Calling,
    *,
    row: RowId = "",
    need: Annotated[str, Query(max_length=100)] = "",
    of: Annotated[str, Query(max_length=100)] = "",
    newest: bool = False,
    begin: Annotated[int, Query(alias="from", ge=0, le=1_000_000)] = 0,
    undo: RowId = "",
    known: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Show what needs a person in all projects, and one row of it with all that it needs.

    `need` and `of` choose the rows of a kind and of a project.
    """
    reading = service.index.catch_up_all(reached_projects(service, caller))
    found = attention_of(service, caller, only_known=reading is not None)
    chosen_by = {"need": need, "of": of, "newest": "yes" if newest else ""}
    fitting = [
        one for one in found.rows if need in ("", one.need) and of in ("", one.project.project_id)
    ]
    rows, ahead = order_rows(fitting, newest=newest)
    # A row that was settled meanwhile may have been the only one from there on.
    begin = begin if begin < len(rows) else 0
    shown = rows[begin : begin + PAGE_SIZE]
    every = [one for each in found.rows for one in (each, *each.rows)]
    is_gone = bool(row) and all(one.id != row for one in every)
    chosen = next((one for one in every if one.id == row), None if is_gone else (*shown, None)[0])
    here = {**chosen_by, "from": begin}
    values: Mapping[str, object] = {
        "rows": shown,
        "count": len(rows),
        "begin": begin,
        "ahead": ahead,
        "most": PAGE_SIZE,
        "needs": Counter(one.need for one in found.rows),
        "projects_of_rows": {one.project.project_id: one.project.root.name for one in found.rows},
        "chosen_by": chosen_by,
        "address_of": partial(_address, **here),
        "reading": reading,
        "asleep": found.asleep,
        "troubles": found.troubles,
        "chosen": chosen,
        "is_gone": is_gone,
        "asked_for": row,
        "next_query": _address(**{**here, "row": _next_id(chosen, shown)}).partition("?")[2],
        "undo": undo,
        "look": partial(look_at, service, caller),
        "changes_in": changes_in,
        "frozen": False,
        "pieces": PieceSource(service.pieces, known),
    }
    return render(request, "attention.html.j2", values, fragments=FRAGMENTS)


def _address(**query: object) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"/attention?{urlencode(given)}" if given else "/attention"


def _then(query: str, **other: str) -> str:
    """Return the address after a form, with what was chosen of the list."""
    return _address(**{**dict(parse_qsl(query)), **other})


def _next_id(chosen: AttentionRow | None, rows: Sequence[AttentionRow]) -> str:
    """Return the row to show after the chosen one is settled: the one after it, else before it."""
    ids = [row.id for row in rows]
    if chosen is None or chosen.id not in ids:
        return ""
    at = ids.index(chosen.id)
    return next(iter([*ids[at + 1 :], *reversed(ids[:at])]), "")


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


@part.post("/attention/{run}/answer", dependencies=[OPERATE])
def answer(
    service: ProjectService,
    caller: Calling,
    run: str,
    *,
    choice: Words,
    question: Words = "",
    why: Words = "",
    words: Words = "",
    then: Words = "",
) -> Response:
    """Answer a question of a run of any project, with words if it is about a tool call."""
    said = choice + f" {words}" * bool(words)

    def act() -> tuple[str, str]:
        done = answer_question(service, run, caller, answer=said, question=question, why=why).words
        return _then(then), f"{done[:1].upper()}{done[1:]}."

    return after(act, _then(then))


@part.post("/attention/settle", dependencies=[OPERATE, IN_TURN])
async def settle(request: Request, service: ServerService, caller: Calling) -> Response:
    """Do what a person chose of the choices of a row; of a common cause, for the shown tasks."""
    form = await request.form()
    fields = {name: str(one).replace("\r\n", "\n") for name, one in form.items()}
    row, choice, then = (fields.pop(name, "") for name in ("row", "choice", "then"))
    shown = [str(one) for one in form.getlist("shown")]
    fields = {name: one for name, one in fields.items() if name not in ("csrf", "shown")}

    def act() -> tuple[str, str]:
        body = SettleBody.of(choice=choice, fields=fields).model_copy(update={"rows": shown})
        words = settle_row(service, caller, row, body).words
        undo = row if choice == "seen" and not shown else ""
        return _then(then, undo=undo), f"{words[:1].upper()}{words[1:]}."

    return await to_thread.run_sync(after, act, _then(then, row=row))


@part.post("/attention/snooze", dependencies=[OPERATE, IN_TURN])
def snooze(
    service: ServerService, caller: Calling, *, row: Words, duration: Words, then: Words = ""
) -> Response:
    """Leave a row out for a time."""

    def act() -> tuple[str, str]:
        snooze_row(service, caller, row, SnoozeBody.of(duration=duration))
        return _then(then, undo=row), f"Snoozed for {duration}."

    return after(act, _then(then, row=row))


@part.post("/attention/wake", dependencies=[OPERATE, IN_TURN])
def wake(service: ServerService, caller: Calling, *, row: Words) -> Response:
    """Show a row again that was left out, or marked as seen."""

    def act() -> tuple[str, str]:
        wake_row(service, caller, row)
        return _address(row=row), "Shown again."

    return after(act, "/attention")
