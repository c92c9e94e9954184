"""What needs a person, over all projects, answered in place; worlds and their actors."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import Response

from attractor.factory.dimensions import DimensionRecords
from attractor.factory.project import list_project_folders
from attractor.server.html.rendering import (
    PageRouter,
    after,
    fragments_pattern,
    in_address,
    render,
    render_fragments,
)
from attractor.server.http.scopes import OPERATE, READ, Calling, Serving
from attractor.server.resources.worlds import (
    ChoiceBody,
    find,
    open_other,
    sender,
    settle_interrupted,
)
from attractor.server.run_actions import answer_question
from attractor.server.service import Service
from attractor.worlds.actors import list_actors
from attractor.worlds.attention import Need, read_attention
from attractor.worlds.orders import mark_seen, send
from attractor.worlds.records import open_messages
from attractor.worlds.status import read_actor, read_actors

part = PageRouter("Attention", "/attention", place=0, marked_at=("/worlds", "/actors"))

MOST = 50
"""The number of rows of the page; the oldest and the newest are always among them."""

ACTOR = "/actors/{project}/{name}"
ROWS, NOW = fragments_pattern("rows"), fragments_pattern("now")
Words = Annotated[str, Form(max_length=20_000)]


@part.get("/attention", dependencies=[READ])
def show_attention(
    request: Request, service: Serving, *, fragment: Annotated[str, Query(pattern=ROWS)] = ""
) -> Response:
    """Show what needs a person in all projects, the oldest first."""
    found = read_attention(service.project.machine.state_dir, service.opened.now())
    rows = [*found.rows]
    values: Mapping[str, object] = {
        "rows": rows if len(rows) <= MOST else [*rows[: MOST - 10], *rows[-10:]],
        "count": len(rows),
        "left_out": max(0, len(rows) - MOST),
        "snoozed": found.snoozed,
        "troubles": found.troubles,
        "here": service.opened.identity.project_id(),
        "Need": Need,
        "frozen": False,
        "changes_words": "",
    }
    if fragment:
        return render_fragments(request, "attention", fragment, values)
    return render(request, "attention.html.j2", values)


@part.post("/attention/{project}/{run}/answer", dependencies=[OPERATE])
def answer(
    service: Serving, caller: Calling, project: str, run: str, choice: Words, question: Words = ""
) -> Response:
    """Answer a question of a run of any project."""

    def act() -> tuple[str, str]:
        other = service.of_project(project)
        words = answer_question(other, run, caller, answer=choice, question=question).words
        return "/attention", f"{words[:1].upper()}{words[1:]}."

    return after(act, "/attention")


@part.post("/attention/{project}/{name}/interrupted", dependencies=[OPERATE])
def settle(service: Serving, caller: Calling, project: str, name: str, choice: Words) -> Response:
    """Decide what becomes of a task whose process died."""

    def act() -> tuple[str, str]:
        body = ChoiceBody.of(choice=choice)
        settle_interrupted(service, caller, project, name, body)
        return "/attention", f"{name}: {choice}."

    return after(act, "/attention")


@part.get("/worlds", dependencies=[READ])
def show_worlds(request: Request, service: Serving) -> Response:
    """Show the projects of the state folder, with their dimensions and actors."""
    state = service.project.machine.state_dir
    troubles = list[str]()
    views = read_actors(list_actors(state), troubles.append)
    worlds = [
        {
            "project": project,
            "dimensions": DimensionRecords.in_state(state, project.project_id).all(),
            "actors": [
                one
                for one in views
                if one.folder.project.project_id == project.project_id and not one.history.archived
            ],
        }
        for project in list_project_folders(state)
    ]
    return render(request, "worlds.html.j2", {"worlds": worlds, "troubles": troubles})


@part.get(ACTOR, dependencies=[READ])
def show_actor(
    request: Request,
    service: Serving,
    project: str,
    name: str,
    *,
    fragment: Annotated[str, Query(pattern=NOW)] = "",
) -> Response:
    """Show an actor: what it does now, its messages and their answers, newest first."""
    view = read_actor(find(service, project, name))
    values: Mapping[str, object] = {
        "actor": view,
        "address": address_of(project, name),
        "is_here": project == service.opened.identity.project_id(),
        "open": open_messages(view),
        "answers": [*reversed(view.history.answers)][:MOST],
        "changes_words": "",
        "frozen": False,
    }
    if fragment:
        return render_fragments(request, "actor", fragment, values)
    return render(request, "actor.html.j2", values)


def address_of(project: str, name: str) -> str:
    """Return the address of the page of an actor."""
    return f"/actors/{in_address(project)}/{in_address(name)}"


@part.post(f"{ACTOR}/message", dependencies=[OPERATE])
def message(service: Serving, caller: Calling, project: str, name: str, text: Words) -> Response:
    """Send a task to an actor."""
    folder = find(service, project, name)
    act = partial(send, folder, text, sender(caller), open_other(service, project))
    return _done(service, act, project, name, f"Sent to {name}.")


@part.post(f"{ACTOR}/seen", dependencies=[OPERATE])
def seen(service: Serving, caller: Calling, project: str, name: str) -> Response:
    """Record that the last answer of an actor needs no review."""
    folder = find(service, project, name)
    act = partial(mark_seen, folder, sender(caller), open_other(service, project))
    return _done(service, act, project, name, f"{name}: seen.")


def _done(
    service: Service, act: Callable[[], object], project: str, name: str, words: str
) -> Response:
    """Do what a form asks for, and show the actor again."""

    def then() -> tuple[str, str]:
        act()
        return address_of(project, name), words

    return after(then, address_of(project, name))
