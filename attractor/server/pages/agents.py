"""The agents of all projects, with the form for a new one, and the page of a project."""

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from attractor.backends.registry import backend_registry
from attractor.base.errors import AttractorError
from attractor.config.configuration import OriginKind
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.pipeline.status import PlainWord
from attractor.server.access.callers import Caller
from attractor.server.html.rendering import PageRouter, in_address, render, see_other
from attractor.server.html.version_forms import NOT_REFUSED, Refusal
from attractor.server.http.scopes import (
    IN_TURN,
    OPERATE,
    READ,
    Calling,
    PathProjectService,
    ServerService,
)
from attractor.server.resources.worlds import SpawnBody, spawn_actor
from attractor.server.service import Service
from attractor.worlds.actors import list_actors
from attractor.worlds.status import ActorView, read_actors

part = PageRouter("Agents", "/agents", position=1, marked_at=("/worlds", "/actors"))

FRAGMENTS = ("agents/list",)
Words = Annotated[str, Form(max_length=20_000)]
_ORDER = (PlainWord.NEEDS_YOU, PlainWord.RUNNING, PlainWord.ENDED)


@part.get("/agents", dependencies=[READ])
def show_agents(request: Request, service: ServerService, caller: Calling) -> Response:
    """Show the agents of all projects: those that need a person first, then the newest."""
    return _list(request, service, caller, NOT_REFUSED)


@part.get("/worlds", dependencies=[READ])
def show_worlds() -> Response:
    """Lead from the earlier address of the page to the present one."""
    return see_other("/agents")


@part.post("/agents", dependencies=[OPERATE, IN_TURN])
def spawn_agent(
    request: Request,
    service: ServerService,
    caller: Calling,
    words: Words,
    project: Words = "",
    backend: Words = "agent",
    read_only: Words = "false",
) -> Response:
    """Begin a new agent with its first task."""
    fields = {"words": words, "project": project, "backend": backend, "read_only": read_only}
    try:
        made = spawn_actor(service, caller, SpawnBody.of(**fields))
    except AttractorError as error:
        return _list(request, service, caller, Refusal(fields, error))
    return see_other(f"/actors/{in_address(made.project.id)}/{in_address(made.name)}")


def _list(request: Request, service: Service, caller: Caller, refusal: Refusal) -> Response:
    troubles = list[str]()
    values = {
        "agents": _agents(service, caller.reaches, troubles),
        "troubles": troubles,
        "address": "/agents",
        "backends": [*backend_registry()],
        "refusal": refusal,
    }
    return render(request, "agents.html.j2", values, status=refusal.status, fragments=FRAGMENTS)


@part.get("/worlds/{project}", dependencies=[READ])
def show_world(request: Request, service: PathProjectService, project: str) -> Response:
    """Show a project with its agents, its dimensions and its effective settings."""
    state = service.project.machine.state_dir
    troubles, dimensions = list[str](), list[Dimension]()
    try:
        dimensions += DimensionRecords.in_state(state, project).all()
    except AttractorError as fault:
        troubles.append(fault.in_one_line)
    settings = service.read_settings()
    is_default = {one.key: one.origin.kind is OriginKind.DEFAULT for one in settings}
    values = {
        "root": service.project.root,
        "agents": _agents(service, project.__eq__, troubles),
        "dimensions": dimensions,
        "troubles": troubles,
        "address": f"/worlds/{in_address(project)}",
        # Those that a person made first.
        "settings": sorted(settings, key=lambda one: is_default[one.key]),
        "set": sum(not one for one in is_default.values()),
    }
    return render(request, "world.html.j2", values, fragments=FRAGMENTS)


def _agents(
    service: Service, reaches: Callable[[str], bool], troubles: list[str]
) -> Sequence[ActorView]:
    """Return the agents of some projects; what cannot be read is a trouble."""
    folders = list_actors(service.project.machine.state_dir)
    own = [one for one in folders if reaches(one.project.project_id)]
    views = read_actors(own, troubles.append, service.journals)
    shown = [one for one in views if not one.history.archived]
    shown.sort(key=lambda one: one.since, reverse=True)
    return sorted(shown, key=lambda one: _ORDER.index(one.plain.word))
