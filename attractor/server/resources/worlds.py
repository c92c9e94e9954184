"""Worlds, dimensions, actors, messages and what needs a person, over all projects."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field, JsonValue, StrictBool, StrictFloat

from attractor.base.errors import Refused, UnknownName
from attractor.base.names import name_after
from attractor.base.records import write_fields
from attractor.config.checks import LONGEST_NEW_NAME, NAME_PATTERN
from attractor.engine.questions.call_rules import PermissionMode, require_permissions
from attractor.factory.dimensions import DimensionRecords
from attractor.factory.project import list_project_folders
from attractor.language.diagnostics import NotRunnable
from attractor.server.fleet.connection import no_fleet
from attractor.server.http.problems import STARTED, problem_statuses
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import (
    IN_TURN,
    OPERATE,
    READ,
    Calling,
    PathProjectService,
    ServerService,
    enter,
)
from attractor.server.processes.bodies import Body, Mode, Rules, SubmitBody, Word, Words
from attractor.server.run_actions import StartedRun, orders_in, walk
from attractor.server.service import Service
from attractor.worlds.actors import Actor, ActorFolder, RuleEffect, list_actors
from attractor.worlds.care import change, clone, rename, rules_record, set_rules, unarchive
from attractor.worlds.dimensions import add_dimension, diff_dimension
from attractor.worlds.leads import parse_leads
from attractor.worlds.messages import Message, Sender, SenderKind
from attractor.worlds.orders import (
    archive,
    last_answer,
    mark_seen,
    remove_with_actors,
    send,
    spawn,
    stop,
)
from attractor.worlds.records import actor_record, message_records, shown_record, world_record
from attractor.worlds.status import ActorStatus, read_actor, read_actors

part = APIRouter(tags=["worlds"], responses=problem_statuses(400, 404, 409))


SAYS_SOMETHING: dict[str, JsonValue] = {"pattern": r"\S"}


class ProjectPlace(AnswerModel):
    """A project, and its folder on the machine of the server."""

    id: str
    folder: str


class ActorAnswer(AnswerModel):
    """An actor as it is now."""

    name: str
    project: ProjectPlace
    status: ActorStatus
    plain: str = Field(description="The status for people: running, needs you, or how it ended.")
    since: datetime
    dimension: str
    workspace: str
    folder: str
    backend: str
    model: str
    arguments: list[str] = Field(description="Further arguments of its program.")
    permissions: PermissionMode = Field(description="What limits its tool calls.")
    leads: str = Field(description="Its rights over other actors, such as `to=test-* hourly=20`.")
    touches: str = Field(description="Patterns of the files that it is expected to change.")
    place: str = Field(description="The place in which it works; empty: this machine.")
    spawner: str = Field(description="Who spawned it: a person, or another actor.")
    pipeline: str
    run: str = Field(description="The run of the task at work; empty without one.")
    last_run: str
    waiting: int = Field(description="The number of messages that wait.")
    answered: int
    cost_usd: float
    unpriced_tokens: int = Field(description="The tokens of calls whose cost is unknown.")
    reason: str


class ShownActor(ActorAnswer):
    """An actor, with what it gave to the actors that it started."""

    given_usd: dict[str, float] = Field(description="What each of these may cost, or did.")
    left_usd: float = Field(description="What it may still give to others.")


class RulesAnswer(AnswerModel):
    """The rules about the tool calls of an actor."""

    permissions: PermissionMode = Field(description="What limits its tool calls.")
    rules: dict[str, RuleEffect] = Field(description="What each rule does.")
    of_task: list[str] = Field(description="What people allowed in the task in work.")


class ChangedAnswer(ActorAnswer):
    """An actor that was changed."""

    note: str = Field(
        description="How its conversation goes on, if another program reads it as text."
    )


class DimensionAnswer(AnswerModel):
    """A folder, or a name for isolated runs, in which work is done."""

    name: str
    kind: str
    folder: str
    top: str
    branch: str
    base: str
    base_branch: str
    made_by_attractor: bool
    origins: list[str] = Field(
        description="The names and folders of the dimensions of which it is a copy."
    )
    created: datetime


class WorldAnswer(AnswerModel):
    """A project with its dimensions and actors."""

    id: str
    folder: str
    dimensions: list[DimensionAnswer]
    actors: list[ActorAnswer]


class SettingAnswer(AnswerModel):
    """A setting with its effective value, and where the value comes from."""

    key: str
    value: JsonValue
    origin: str = Field(description="`default`, a file with its line, a variable or a flag.")


class SenderAnswer(AnswerModel, of=Sender):
    """The sender of a message, and how it is proved."""


class MessageFields(AnswerModel, of=Message):
    """A message, as it was sent."""

    kind: str
    sender: SenderAnswer


class MessageAnswer(AnswerModel):
    """A message, with its answer if it has one."""

    message: MessageFields
    status: str
    run_id: str
    succeeded: bool | None = None
    reason: str = ""
    words: str = ""
    changed: int = 0
    files: list[str] = Field(default_factory=list[str])
    cost_usd: float = 0.0
    at: datetime | None = None
    unpriced_tokens: int = 0
    by_others: list[str] = Field(
        default_factory=list[str], description="Files that others changed between the stages."
    )
    commit: str = Field(default="", description="The commit of the task in its dimension.")
    why_not_committed: str = Field(
        default="", description="Why changes of the task are in no commit."
    )
    rules: list[str] = Field(
        default_factory=list[str],
        description="Rules about tool calls that people gave in the task, such as `Bash(git *)`.",
    )


class DiffAnswer(AnswerModel):
    """The changes in a dimension."""

    dimension: str
    diff: str


class RemovedAnswer(AnswerModel):
    """A removed dimension: where its changes are kept, and the ignored files that are gone."""

    name: str
    kept: str
    ignored: list[str]


NewName = Annotated[
    Word, Field(max_length=LONGEST_NEW_NAME, json_schema_extra={"pattern": f"^{NAME_PATTERN}$"})
]
ARGUMENTS = "Further arguments of the program, such as `--max-turns=5`."


class SpawnBody(Body):
    """An actor to spawn, with its first task."""

    project: Word = Field(default="", description="The id of its project (default: the server's).")
    words: Words = Field(description="Its first task.", json_schema_extra=SAYS_SOMETHING)
    name: Word = Field(
        default="",
        max_length=LONGEST_NEW_NAME,
        description="Its name (default: after its task).",
        json_schema_extra={"pattern": f"^({NAME_PATTERN})?$"},
    )
    backend: Word = Field(default="agent", description="Work with this backend, such as `codex`.")
    agent: Word = Field(default="", description="Use this agent.")
    model: Word = ""
    provider: Word = ""
    dimension: Word = Field(default="", description="Work in this dimension (default: a new one).")
    read_only: StrictBool = Field(
        default=False, description="Let it read the files and change none."
    )
    sandbox: Word = "auto"
    max_cost_usd: StrictFloat | None = Field(default=None, gt=0, allow_inf_nan=False)
    pool: Word = Field(
        default="",
        description="Let workers of this pool of the fleet execute its runs, in an isolated "
        "dimension (default: the setting `worlds.pool`).",
    )
    arguments: list[Word] = Field(default_factory=list[str], max_length=50, description=ARGUMENTS)
    permissions: Mode = PermissionMode.SANDBOX
    allow: Rules = []
    deny: Rules = []
    leads: Word = Field(
        default="",
        description="Let it write to others and start some, such as `to=test-* most=3 usd=5`.",
    )


class ChangeBody(Body):
    """The values with which an actor works from its next task on; what is missing stays."""

    backend: Word = Field(default="", description="Work with this backend, such as `codex`.")
    agent: Word = Field(default="", description="Use this agent.")
    model: Word = ""
    provider: Word = ""
    sandbox: Word = ""
    arguments: list[Word] = Field(
        default_factory=list[str],
        max_length=50,
        description=f"{ARGUMENTS} A backend without them removes earlier ones.",
    )
    permissions: Mode | Literal[""] = ""
    leads: Word = Field(default="", description="Its rights over other actors, or `none`.")


class RulesBody(Body):
    """Rules about tool calls to give or to remove, such as `Bash(git status*)`."""

    allow: Rules = []
    deny: Rules = []
    remove: Rules = []


class NewNameBody(Body):
    """The name of an actor."""

    name: NewName


class MessageBody(Body):
    """A task for an actor."""

    text: Words = Field(json_schema_extra=SAYS_SOMETHING)


class DimensionBody(Body):
    """A dimension to make."""

    project: Word = Field(default="", description="The id of its project (default: the server's).")
    name: NewName
    kind: Word = Field(default="", description="Such as `worktree` or `isolated`.")
    ref: Word = Field(default="", description="Begin a worktree here (default: HEAD).")


def actor_of(service: Service, name: str) -> ActorFolder:
    """Return the actor with exactly this name in the project of a service."""
    own = {
        one.name: one
        for one in list_actors(service.project.machine.state_dir)
        if one.project.project_id == service.project_id
    }
    if name not in own:
        raise UnknownName("actor", name, own)
    return own[name]


def sender_of(caller: Calling) -> Sender:
    """Return the caller as the sender of messages."""
    return Sender(SenderKind.PERSON, caller.name, caller.proof)


def answer_of(folder: ActorFolder) -> ActorAnswer:
    """Return an actor as it is now."""
    return ActorAnswer.model_validate(actor_record(read_actor(folder)))


@part.get("/api/v1/worlds", dependencies=[READ])
def list_worlds(service: ServerService, caller: Calling) -> list[WorldAnswer]:
    """List the projects of the state folder, with their dimensions and actors."""
    state = service.project.machine.state_dir
    views = read_actors(list_actors(state), known=service.journals)
    views = [one for one in views if not one.history.archived]
    return [
        WorldAnswer.model_validate(
            world_record(
                project,
                DimensionRecords.in_state(state, project.project_id).all(),
                [one for one in views if one.folder.project.project_id == project.project_id],
            )
        )
        for project in list_project_folders(state)
        if caller.reaches(project.project_id)
    ]


@part.get("/api/v1/worlds/{project}/settings", dependencies=[READ])
def list_settings(service: PathProjectService) -> list[SettingAnswer]:
    """List the effective settings of a project, as its files are now."""
    return [
        SettingAnswer(key=one.key, value=one.plain, origin=one.origin.describe())
        for one in service.read_settings()
    ]


@part.get("/api/v1/actors", dependencies=[READ])
def list_all_actors(
    service: ServerService,
    caller: Calling,
    *,
    archived: Annotated[bool, Query(description="Also archived ones.")] = False,
) -> list[ActorAnswer]:
    """List the actors of all projects."""
    folders = list_actors(service.project.machine.state_dir)
    reached = [one for one in folders if caller.reaches(one.project.project_id)]
    views = read_actors(reached, known=service.journals)
    shown = [one for one in views if archived or not one.history.archived]
    return [ActorAnswer.model_validate(actor_record(one)) for one in shown]


@part.post("/api/v1/actors", status_code=201, dependencies=[OPERATE, IN_TURN])
def spawn_actor(service: ServerService, caller: Calling, body: SpawnBody) -> ActorAnswer:
    """Spawn an actor with its first task."""
    opened = enter(service, caller, body.project).opened
    if (body.pool or opened.project.worlds.pool) and not service.fleet.takes_runs:
        raise no_fleet()
    taken = [one.name for one in list_actors(opened.project.machine.state_dir)]
    actor = Actor(
        name=body.name or name_after(body.words, taken),
        spawner=sender_of(caller),
        created=opened.now(),
        agent=body.agent,
        backend=body.backend,
        model=body.model,
        provider=body.provider,
        sandbox=body.sandbox,
        life_usd=body.max_cost_usd,
        pool=body.pool,
        arguments=body.arguments,
        permissions=require_permissions(body.permissions, body.allow, body.deny),
        leads=parse_leads(body.leads) if body.leads else None,
    )
    with _refused_if_not_runnable():
        folder = spawn(actor, body.words, opened, body.dimension, only_reads=body.read_only)
    return answer_of(folder)


@contextmanager
def _refused_if_not_runnable() -> Generator[None]:
    try:
        yield
    except NotRunnable as fault:
        # The request is valid; this machine lacks something.
        raise Refused(fault.message, hint=fault.hint) from fault


@part.get("/api/v1/actors/{project}/{name}", dependencies=[READ])
def show_actor(service: PathProjectService, name: str) -> ShownActor:
    """Return an actor, with what it gave to the actors that it started."""
    view = read_actor(actor_of(service, name))
    return ShownActor.model_validate(shown_record(view, service.opened))


@part.get("/api/v1/actors/{project}/{name}/messages", dependencies=[READ])
def list_messages(service: PathProjectService, name: str) -> list[MessageAnswer]:
    """List the messages of an actor with their answers, oldest first."""
    records = message_records(read_actor(actor_of(service, name)))
    return [MessageAnswer.model_validate(one) for one in records]


@part.post("/api/v1/actors/{project}/{name}/messages", status_code=201, dependencies=[OPERATE])
def send_message(
    service: PathProjectService, caller: Calling, name: str, body: MessageBody
) -> MessageAnswer:
    """Send a task to an actor; it is stored when this is answered."""
    folder = actor_of(service, name)
    return taken(send(folder, body.text, sender_of(caller), service.opened))


def taken(message: Message) -> MessageAnswer:
    """Return a message that was sent just now."""
    fields = MessageFields.model_validate(write_fields(message))
    return MessageAnswer(message=fields, status="waiting", run_id="")


@part.post("/api/v1/actors/{project}/{name}/seen", dependencies=[OPERATE])
def see_actor(
    service: PathProjectService,
    caller: Calling,
    name: str,
    *,
    message: Annotated[
        str, Query(max_length=200, description="The message of the answer (default: the last).")
    ] = "",
) -> ActorAnswer:
    """Record that the answer of an actor to a message needs no review, unless a newer one came."""
    folder = actor_of(service, name)
    seen = message or last_answer(folder).message.id
    mark_seen(folder, seen, sender_of(caller), service.opened)
    return answer_of(folder)


@part.post("/api/v1/actors/{project}/{name}/stop", dependencies=[OPERATE, IN_TURN])
def stop_actor(service: PathProjectService, caller: Calling, name: str) -> ActorAnswer:
    """Cancel the run of an actor, and end its process."""
    folder = actor_of(service, name)

    def cancel(run_id: str) -> None:
        root = service.project.runs_dir / run_id
        orders_in(service, root, caller).cancel("the actor is stopped")

    stop(folder, sender_of(caller), service.opened, cancel)
    return answer_of(folder)


@part.post("/api/v1/actors/{project}/{name}/archive", dependencies=[OPERATE])
def archive_actor(service: PathProjectService, caller: Calling, name: str) -> ActorAnswer:
    """Take an actor without work off the list."""
    folder = actor_of(service, name)
    archive(folder, sender_of(caller), service.opened)
    return answer_of(folder)


@part.post("/api/v1/actors/{project}/{name}/unarchive", dependencies=[OPERATE])
def unarchive_actor(service: PathProjectService, caller: Calling, name: str) -> ActorAnswer:
    """Take an archived actor back, in its conversation and its files."""
    folder = actor_of(service, name)
    unarchive(folder, sender_of(caller), service.opened)
    return answer_of(folder)


@part.post("/api/v1/actors/{project}/{name}/change", dependencies=[OPERATE, IN_TURN])
def change_actor(
    service: PathProjectService, caller: Calling, name: str, body: ChangeBody
) -> ChangedAnswer:
    """Let an actor go on with another model, program, agent or sandbox, in its conversation."""
    folder = actor_of(service, name)
    with _refused_if_not_runnable():
        note = change(folder, sender_of(caller), service.opened, **body.model_dump())
    return ChangedAnswer(**answer_of(folder).model_dump(), note=note)


@part.get("/api/v1/actors/{project}/{name}/rules", dependencies=[READ])
def list_rules(service: PathProjectService, name: str) -> RulesAnswer:
    """List the rules about the tool calls of an actor."""
    return RulesAnswer.model_validate(rules_record(actor_of(service, name)))


@part.post("/api/v1/actors/{project}/{name}/rules", dependencies=[OPERATE, IN_TURN])
def change_rules(
    service: PathProjectService, caller: Calling, name: str, body: RulesBody
) -> RulesAnswer:
    """Give or remove rules about the tool calls of an actor, from its next task on."""
    folder = actor_of(service, name)
    set_rules(folder, sender_of(caller), service.opened, **body.model_dump())
    return RulesAnswer.model_validate(rules_record(folder))


@part.post("/api/v1/actors/{project}/{name}/rename", dependencies=[OPERATE, IN_TURN])
def rename_actor(
    service: PathProjectService, caller: Calling, name: str, body: NewNameBody
) -> ActorAnswer:
    """Give an actor another name; its dimension and its runs keep theirs."""
    folder = actor_of(service, name)
    return answer_of(rename(folder, body.name, sender_of(caller), service.opened))


@part.post(
    "/api/v1/actors/{project}/{name}/clone", status_code=201, dependencies=[OPERATE, IN_TURN]
)
def clone_actor(
    service: PathProjectService, caller: Calling, name: str, body: NewNameBody
) -> ActorAnswer:
    """Make an actor with the conversation of another one, and with a copy of its files."""
    folder = actor_of(service, name)
    return answer_of(clone(folder, body.name, sender_of(caller), service.opened))


@part.post("/api/v1/dimensions", status_code=201, dependencies=[OPERATE, IN_TURN])
def make_dimension(service: ServerService, caller: Calling, body: DimensionBody) -> DimensionAnswer:
    """Make a dimension of a project."""
    opened = enter(service, caller, body.project).opened
    made = asyncio.run(add_dimension(opened, body.name, kind=body.kind, ref=body.ref))
    return DimensionAnswer.model_validate(made.to_json())


@part.get("/api/v1/dimensions/{project}/{name}/diff", dependencies=[READ, IN_TURN])
def show_diff(service: PathProjectService, name: str) -> DiffAnswer:
    """Return the changes in a dimension, committed or not, in the format of `git apply`."""
    opened = service.opened
    dimension = DimensionRecords.of(opened).find(name)
    diff = asyncio.run(diff_dimension(opened, dimension, stat=False))
    return DiffAnswer(dimension=dimension.name, diff=diff.decode("utf-8", "replace"))


@part.post(
    "/api/v1/dimensions/{project}/{name}/submit",
    dependencies=[OPERATE],
    status_code=201,
    responses=STARTED,
)
def submit(
    service: PathProjectService, caller: Calling, name: str, body: SubmitBody, response: Response
) -> StartedRun:
    """Have the files of a dimension judged by a suite, in a new run that only evaluates."""
    dimension = DimensionRecords.of(service.opened).find(name)
    started = walk(service, body.command(dimension.name), caller)
    response.headers["location"] = started.links["self"]
    return started


@part.delete("/api/v1/dimensions/{project}/{name}", dependencies=[OPERATE, IN_TURN])
def delete_dimension(
    service: PathProjectService,
    caller: Calling,
    name: str,
    *,
    force: Annotated[bool, Query(description="Remove changes too, after a snapshot.")] = False,
) -> RemovedAnswer:
    """Remove a dimension, unless its changes would be lost, and archive its actors without work."""
    opened = service.opened
    dimension = DimensionRecords.of(opened).find(name)
    removed = remove_with_actors(dimension, sender_of(caller), opened, force=force)
    return RemovedAnswer(name=dimension.name, kept=removed.kept, ignored=[*removed.ignored])
