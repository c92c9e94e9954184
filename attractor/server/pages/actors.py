"""The page of an actor: what it does, its changes with remarks, and its messages."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import Response

from attractor.server.html.actor_view import read_reviewed, read_tails
from attractor.server.html.rendering import PageRouter, after, in_address, render
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, PathProjectService
from attractor.server.resources.worlds import actor_of, sender_of
from attractor.server.service import Service
from attractor.worlds.care import change, clone, rename, unarchive
from attractor.worlds.orders import dimension_of, mark_seen, send
from attractor.worlds.records import open_messages
from attractor.worlds.remarks import Remarks
from attractor.worlds.started import funds_of
from attractor.worlds.status import read_actor

part = PageRouter()

ACTOR = "/actors/{project}/{name}"
FRAGMENTS = ("actor/now", "actor/stream", "actor/changes", "actor/messages")
MAX_ANSWERS = 50
"""The number of answers on the page of an actor."""

Words = Annotated[str, Form(max_length=20_000)]
Word = Annotated[str, Form(max_length=1000)]


@part.get(ACTOR, dependencies=[READ])
def show_actor(
    request: Request,
    service: PathProjectService,
    project: str,
    name: str,
    *,
    remark: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """Show an actor: what it does now, its changes and the remarks on them, its messages.

    `remark`: FILE:LINE of the form for a new remark.
    """
    view = read_actor(actor_of(service, name))
    values: Mapping[str, object] = {
        "actor": view,
        "address": address_of(project, name),
        "open": open_messages(view),
        "answers": [*reversed(view.history.answers)][:MAX_ANSWERS],
        "funds": funds_of(view.history, service.opened),
        "tails": partial(read_tails, view),
        "reviewed": partial(read_reviewed, service, view.history.actor.dimension),
        "remarked": remark,
        "evidence_of": partial(service.evidence_of, "", view.run.directory) if view.run else None,
        "frozen": False,
    }
    return render(request, "actor.html.j2", values, fragments=FRAGMENTS)


def address_of(project: str, name: str) -> str:
    """Return the address of the page of an actor."""
    return f"/actors/{in_address(project)}/{in_address(name)}"


@part.post(f"{ACTOR}/message", dependencies=[OPERATE])
def message(
    service: PathProjectService, caller: Calling, project: str, name: str, text: Words
) -> Response:
    """Send a task to an actor."""
    folder = actor_of(service, name)
    act = partial(send, folder, text, sender_of(caller), service.opened)
    return _done(act, project, name, f"Sent to {name}.")


@part.post(f"{ACTOR}/seen", dependencies=[OPERATE])
def seen(
    service: PathProjectService,
    caller: Calling,
    project: str,
    name: str,
    message: Annotated[str, Form(max_length=200)],
) -> Response:
    """Record that the answer that the page showed needs no review."""
    folder = actor_of(service, name)
    act = partial(mark_seen, folder, message, sender_of(caller), service.opened)
    return _done(act, project, name, f"{name}: seen.")


@part.post(f"{ACTOR}/change", dependencies=[OPERATE, IN_TURN])
def change_form(
    service: PathProjectService,
    caller: Calling,
    project: str,
    name: str,
    model: Word = "",
    backend: Word = "",
) -> Response:
    """Let an actor go on with another model or program."""
    folder = actor_of(service, name)

    def then() -> tuple[str, str]:
        note = change(folder, sender_of(caller), service.opened, model=model, backend=backend)
        return address_of(project, name), note or f"{name} works in this way from its next task on."

    return after(then, address_of(project, name))


@part.post(f"{ACTOR}/rename", dependencies=[OPERATE, IN_TURN])
@part.post(f"{ACTOR}/clone", dependencies=[OPERATE, IN_TURN])
def name_form(
    request: Request,
    service: PathProjectService,
    caller: Calling,
    project: str,
    name: str,
    new: Word,
) -> Response:
    """Give an actor another name, or make one with its conversation and a copy of its files."""
    folder, act = actor_of(service, name), clone if request.url.path.endswith("/clone") else rename

    def then() -> tuple[str, str]:
        made = act(folder, new, sender_of(caller), service.opened)
        return address_of(project, made.name), f"This is {made.name}."

    return after(then, address_of(project, name))


@part.post(f"{ACTOR}/unarchive", dependencies=[OPERATE])
def unarchive_form(
    service: PathProjectService, caller: Calling, project: str, name: str
) -> Response:
    """Take an archived actor back."""
    folder = actor_of(service, name)
    act = partial(unarchive, folder, sender_of(caller), service.opened)
    return _done(act, project, name, f"{name} takes messages again.")


@part.post(f"{ACTOR}/remarks", dependencies=[OPERATE])
def write_remark(
    service: PathProjectService,
    caller: Calling,
    project: str,
    name: str,
    file: Annotated[str, Form(max_length=1000)],
    line: Annotated[int, Form(ge=1)],
    text: Words,
) -> Response:
    """Write a remark on a line of the changes of an actor."""

    def act() -> None:
        _remarks(service, name).add(file, line, text, sender_of(caller))

    return _done(act, project, name, "The remark waits until the remarks are sent.", _CHANGES)


@part.post(f"{ACTOR}/remarks/{{remark}}/remove", dependencies=[OPERATE])
def remove_remark(service: PathProjectService, project: str, name: str, remark: str) -> Response:
    """Remove a remark."""

    def act() -> None:
        _remarks(service, name).remove(remark)

    return _done(act, project, name, "The remark is removed.", _CHANGES)


@part.post(f"{ACTOR}/remarks/send", dependencies=[OPERATE])
def send_remarks(service: PathProjectService, caller: Calling, project: str, name: str) -> Response:
    """Send all remarks on the dimension of an actor to it as one message."""

    def act() -> None:
        _remarks(service, name).send(actor_of(service, name), sender_of(caller))

    return _done(act, project, name, f"Remarks sent to {name}.")


_CHANGES = "#changes"


def _remarks(service: Service, name: str) -> Remarks:
    return Remarks(service.opened, dimension_of(actor_of(service, name), service.opened))


def _done(
    act: Callable[[], object], project: str, name: str, words: str, place: str = ""
) -> Response:
    """Do what a form asks for, and show the actor again."""

    address = f"{address_of(project, name)}{place}"

    def then() -> tuple[str, str]:
        act()
        return address, words

    return after(then, address)
