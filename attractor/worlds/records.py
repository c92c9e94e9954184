"""Worlds, actors and messages as JSON, for programs."""

from collections.abc import Sequence

from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.factory.dimensions import Dimension
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder
from attractor.worlds.actors import Answered
from attractor.worlds.messages import Message
from attractor.worlds.started import funds_of
from attractor.worlds.status import ActorView


def actor_record(view: ActorView) -> dict[str, Json]:
    """Return an actor as JSON."""
    actor, last = view.history.actor, view.history.last
    return {
        "name": actor.name,
        "project": {
            "id": view.folder.project.project_id,
            "folder": str(view.folder.project.root),
        },
        "status": view.status.value,
        "plain": str(view.plain),
        "since": view.since.isoformat(),
        "dimension": actor.dimension,
        "workspace": actor.workspace,
        "folder": actor.folder,
        "backend": actor.backend,
        "model": actor.model,
        "arguments": [*actor.arguments],
        "permissions": actor.permissions.mode.value,
        "leads": str(actor.leads or ""),
        "place": actor.place,
        "touches": actor.touches,
        "spawner": str(actor.spawner),
        "pipeline": actor.pipeline,
        "run": view.run.run_id if view.run else "",
        "last_run": last.run_id if last else "",
        "waiting": len(view.waiting),
        "answered": len(view.history.answers),
        "cost_usd": round(view.usage.cost_usd, 6),
        "unpriced_tokens": view.usage.unpriced_tokens,
        "reason": last.reason if last and view.task is None else "",
    }


def shown_record(view: ActorView, opened: OpenProject) -> dict[str, Json]:
    """Return an actor as JSON, with what it gave to those that it started."""
    funds = funds_of(view.history, opened)
    given: dict[str, Json] = {}
    if funds:
        given |= {name: round(usd, 6) for name, usd in funds.given.items()}
    left = round(funds.left, 6) if funds else 0.0
    return {**actor_record(view), "given_usd": given, "left_usd": left}


def project_record(project: ProjectFolder, dimensions: Sequence[Dimension]) -> dict[str, Json]:
    """Return a project with its dimensions as JSON."""
    return {
        "id": project.project_id,
        "folder": str(project.root),
        "dimensions": [one.to_json() for one in dimensions],
    }


def world_record(
    project: ProjectFolder, dimensions: Sequence[Dimension], views: Sequence[ActorView]
) -> dict[str, Json]:
    """Return a project with its dimensions and actors as JSON."""
    actors: list[Json] = [actor_record(view) for view in views]
    return {**project_record(project, dimensions), "actors": actors}


def message_record(one: Answered) -> dict[str, Json]:
    """Return an answered message as JSON."""
    return {**write_fields(one), "status": "answered"}


def message_records(view: ActorView) -> list[dict[str, Json]]:
    """Return the messages of an actor as JSON, oldest first: the answered ones, then the others."""
    return [
        *map(message_record, view.history.answers),
        *(
            {"message": write_fields(message), "status": status, "run_id": run_id}
            for message, status, run_id in open_messages(view)
        ),
    ]


def open_messages(view: ActorView) -> list[tuple[Message, str, str]]:
    """Return the messages without an answer, each with its status and its run, if it has one."""
    task = [(view.task.message, view.status.value, view.task.run_id)] if view.task else []
    return [*task, *((one, "waiting", "") for one in view.waiting)]
