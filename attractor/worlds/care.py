"""How people change an actor without losing it: its model and program, its name, and a clone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from attractor.backends.registry import backend_registry
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.json import Json
from attractor.base.locks import FileLock
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.questions.call_rules import CallPermissions, PermissionMode, parse_rule
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.dimensions import Dimension, DimensionRecords, with_dimension
from attractor.factory.open_project import OpenProject
from attractor.records.lookup import is_run
from attractor.records.request import RunRequest
from attractor.workspaces.create.registry import READ_ONLY, workspace_registry
from attractor.worlds.actors import (
    ActorFolder,
    ActorHistory,
    Changed,
    Mark,
    Marked,
    Renamed,
    RuleEffect,
    RuleSet,
    create_actor,
    list_actors,
    lock_actors,
    require_free_name,
)
from attractor.worlds.dimensions import add_dimension
from attractor.worlds.errors import ActorArchived
from attractor.worlds.leads import Leads, parse_leads
from attractor.worlds.messages import Sender
from attractor.worlds.orders import (
    LINGERING_S,
    left_copy,
    require_alone,
    require_leads,
    require_sandbox,
    require_startable,
)
from attractor.worlds.started import require_room
from attractor.worlds.status import read_actor
from attractor.worlds.waking import wake

_TRIED = "Say what you did last."
"""A task with which a change is tried; it is not sent."""


def change(
    folder: ActorFolder,
    by: Sender,
    opened: OpenProject,
    *,
    model: str = "",
    provider: str = "",
    backend: str = "",
    sandbox: str = "",
    agent: str = "",
    arguments: Sequence[str] = (),
    permissions: str = "",
    leads: str = "",
) -> str:
    """Let the next task work with other values, and return what a person should know about it.

    Another program, or another model, has no provider and model of the former one. A named program
    has no other arguments than these. What could not begin is refused.
    """
    if not any((model, provider, backend, sandbox, agent, arguments, permissions, leads)):
        raise UsageError("no change is given", hint="name a value, such as --model MODEL")
    opened.refuse_in_run("'attractor actor change'")
    with lock_actors(folder.project, opened.project.machine.state_dir):
        actor = _require_current(folder).actor
        if agent and actor.pipeline:
            raise UsageError(f"the pipeline of {actor.name} names its agents itself")
        if actor.workspace == READ_ONLY:
            require_sandbox(sandbox)
        asks = CallPermissions(PermissionMode(permissions or PermissionMode.SANDBOX))
        is_other = backend not in ("", actor.backend)
        now = replace(
            actor,
            backend=backend or actor.backend,
            model=model or ("" if is_other else actor.model),
            provider=provider or ("" if is_other or model else actor.provider),
            sandbox=sandbox or actor.sandbox,
            agent=agent or actor.agent,
            arguments=arguments or (() if backend else actor.arguments),
            permissions=asks if permissions else actor.permissions,
            leads=_leads(leads) if leads else actor.leads,
        )
        if leads:
            require_leads(now, spent_usd=read_actor(folder).usage.cost_usd)
        kind = backend_registry()[now.backend]
        require_startable(now, _TRIED, opened)
        folder.record(Changed(now, by, opened.now()))
    if actor.pipeline or not is_other:
        return ""
    told = f"{now.backend} continues no session of {actor.backend}: it reads what was said as text."
    more = " It keeps no session either, and reads it before each task."
    return told + ("" if getattr(kind, "keeps_sessions", True) else more)


def _leads(text: str) -> Leads | None:
    return None if text == "none" else parse_leads(text)


def rules_record(folder: ActorFolder) -> dict[str, Json]:
    """Return the rules about the tool calls of an actor as JSON, with those of the task in work."""
    history = folder.read()
    rules: dict[str, Json] = {rule: effect.value for rule, effect in history.rules.items()}
    of_task: list[Json] = [one for one in rules_of_task(folder) if one not in rules]
    mode = history.actor.permissions.mode.value
    return {"permissions": mode, "rules": rules, "of_task": of_task}


def rules_of_task(folder: ActorFolder) -> Sequence[str]:
    """Return the rules that people gave with answers about the task in work."""
    task = folder.read_task()
    directory = RunDirectory(folder.project.runs_dir / task.run_id) if task else None
    if directory is None or not is_run(directory):
        return ()
    return open_journal(directory.events, directory.checkpoint).state.call_rules


def set_rules(
    folder: ActorFolder,
    by: Sender,
    opened: OpenProject,
    *,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> None:
    """Give or remove rules about the tool calls of the next tasks."""
    opened.refuse_in_run("'attractor actor rules'")
    effects = {RuleEffect.REMOVE: remove, RuleEffect.ALLOW: allow, RuleEffect.DENY: deny}
    rules = {rule: effect for effect, named in effects.items() for rule in named}
    if len(rules) < len(allow) + len(deny) + len(remove):
        raise UsageError("a rule is named twice", hint="name each rule once")
    with lock_actors(folder.project, opened.project.machine.state_dir):
        known = (*_require_current(folder).rules, *rules_of_task(folder))
        for rule, effect in rules.items():
            if effect is not RuleEffect.REMOVE:
                parse_rule(rule)
            elif rule not in known:
                raise UnknownName("rule", rule, known)
        for rule, effect in rules.items():
            folder.record(RuleSet(rule, effect, by, opened.now()))


def rename(folder: ActorFolder, name: str, by: Sender, opened: OpenProject) -> ActorFolder:
    """Give an actor another name; its dimension, branch and the records of its runs keep theirs.

    An actor at work is refused: its run knows its name.
    """
    opened.refuse_in_run("'attractor actor rename'")
    state, project = opened.project.machine.state_dir, folder.project
    with (
        lock_actors(project, state),
        FileLock(folder.lock).acquire(wait=LINGERING_S, purpose=f"rename {folder.name}") as lock,
    ):
        require_free_name(name, project, state)
        if read_actor(folder, has_process=False).task:
            raise Refused(
                f"the actor {folder.name} has work",
                hint=f"stop it first: attractor actor stop {folder.name}",
            )
        for other in list_actors(state):
            view, is_near = read_actor(other), other.project == project
            own = folder.name if is_near else folder.qualified_name
            if is_near and view.history.actor.spawner.is_actor(own):
                raise Refused(
                    f"the actor {folder.name} started {other.name}, which knows it by that name",
                    hint=f"clone it: attractor actor clone {folder.name} {name}",
                )
            sent = [*view.waiting, *([view.task.message] if view.task else [])]
            if any(one.sender.is_actor(own) for one in sent):
                raise Refused(
                    f"the actor {other.name} works for {folder.name}, and answers that name",
                    hint=f"wait for it: attractor actor wait {other.name}",
                )
        renamed = ActorFolder(folder.root.with_name(name), project)
        # Before the name changes: a killed command leaves the old name, and a line without effect.
        folder.record(Renamed(folder.name, name, by, opened.now()))
        folder.root.rename(renamed.root)
        # A server lives on: `stop` would wait for it, if it did not remove its note.
        lock.path = renamed.lock
    # A message that was sent meanwhile started no process.
    if read_actor(renamed).can_begin:
        wake(renamed, opened)
    return renamed


def unarchive(folder: ActorFolder, by: Sender, opened: OpenProject) -> None:
    """Let an archived actor take messages again, in its conversation and its dimension."""
    opened.refuse_in_run("'attractor actor unarchive'")
    with lock_actors(folder.project, opened.project.machine.state_dir):
        history = folder.read()
        if not history.archived:
            raise Refused(f"the actor {folder.name} is not archived")
        actor = history.actor
        if actor.dimension:
            _dimension_of(history, opened)
        require_alone(actor, opened)
        require_room(folder, opened)
        folder.record(Marked(Mark.UNARCHIVED, by, opened.now()))


def clone(folder: ActorFolder, name: str, by: Sender, opened: OpenProject) -> ActorFolder:
    """Make an actor with the conversation of another one, and with a copy of its files.

    It works in a new dimension of the same kind. What is submitted of it answers for the runs of
    the other one too.
    """
    opened.refuse_in_run("'attractor actor clone'")
    project, state = folder.project, opened.project.machine.state_dir
    with lock_actors(project, state):
        require_free_name(name, project, state)
        history = folder.read()
        made = replace(
            history.actor,
            name=name,
            spawner=by,
            created=opened.now(),
            before=history.before,
            permissions=history.permissions,
        )
        if not workspace_registry()[made.workspace].only_reads:
            like = _dimension_of(history, opened)
            new = left_copy(name, like, history.last, opened) or asyncio.run(
                add_dimension(opened, name, like=like)
            )
            placed = with_dimension(RunRequest(file=project.root, workspace=new.name), opened)
            made = replace(
                made, workspace=placed.workspace, folder=placed.folder, dimension=new.name
            )
        return create_actor(made, project, state)


def _dimension_of(history: ActorHistory, opened: OpenProject) -> Dimension:
    """Return the dimension of an actor, or refuse; a later one of its name is another one."""
    actor = history.actor
    for one in DimensionRecords.of(opened).all():
        place = (actor.dimension, actor.workspace, actor.folder)
        is_same = (one.name, one.kind, one.folder) == place
        if is_same and not (history.archived and one.created > history.archived.at):
            return one
    what = f"the dimension {actor.dimension} was removed" if actor.dimension else "it has none"
    raise Refused(
        f"the actor {actor.name} has no dimension of its own: {what}",
        hint='spawn another one: attractor actor spawn "WORDS"',
    )


def _require_current(folder: ActorFolder) -> ActorHistory:
    history = folder.read()
    if history.archived:
        raise ActorArchived(
            f"the actor {folder.name} is archived",
            hint=f"take it back first: attractor actor unarchive {folder.name}",
        )
    return history
