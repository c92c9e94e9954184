"""The other actors, as the agent of an actor may use them: it writes to them, and starts some.

The sender of a message is the actor, and the run in which it writes; no argument names one.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import cast

from attractor.backends.team import LIST_ACTORS, READ_ANSWER, SEND_MESSAGE, SPAWN_ACTOR, TeamAnswer
from attractor.base.amounts import number_of
from attractor.base.errors import AttractorError, Refused, UnknownName, UsageError
from attractor.base.json import Json, JsonObject, content_hash
from attractor.engine.journal.events import ACTOR_MESSAGED, ACTOR_SPAWNED
from attractor.engine.truncation import shorten
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.open_project import OpenProject
from attractor.language.declarations.touches import is_within, read_touches
from attractor.worlds.actors import Actor, ActorFolder, ActorHistory, LeadStopped, list_actors
from attractor.worlds.leads import Leads, LedTooFar, choose_budget, require_calm, require_short
from attractor.worlds.messages import Message, MessageKind, Sender, SenderKind, TaskAtWork, Trail
from attractor.worlds.orders import send, spawn
from attractor.worlds.started import set_aside, started_by
from attractor.worlds.status import ActorStatus, ActorView, read_actor

_LONGEST_LINE = 200
_MOST_USD = 1e9
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEED_HELP = (ActorStatus.BLOCKED, ActorStatus.ASKING, ActorStatus.INTERRUPTED)
_SHOWN = 50


class ActorTeam:
    """The other actors, for the agent of one actor while it works on a task."""

    def __init__(self, folder: ActorFolder, opened: OpenProject) -> None:
        self._folder = folder
        self._opened = opened
        self._lock = Lock()

    def call(self, tool: str, arguments: JsonObject) -> TeamAnswer:
        """Do what a tool does, one call after the other; refuse what no rule allows."""
        with self._lock:
            history, task = self._folder.read(), self._folder.read_task()
            leads = history.actor.leads
            if task is None or leads is None or history.stopped:
                raise Refused("this agent may not write to others", hint="do the work yourself")
            acting = _Acting(self._folder, self._opened, history, task, leads)
            try:
                return _do(acting, tool, arguments)
            except LedTooFar as stopped:
                if stopped.rule not in history.stopped_by:
                    line = LeadStopped(stopped.rule, stopped.message, self._opened.now())
                    self._folder.record(line)
                raise


def with_team(folder: ActorFolder, opened: OpenProject) -> OpenProject:
    """Return the project in which the agent of an actor may use other actors."""
    console = replace(opened.project.console, team=ActorTeam(folder, opened))
    return OpenProject(replace(opened.project, console=console))


def _do(acting: "_Acting", tool: str, arguments: JsonObject) -> TeamAnswer:
    """Do what a tool does; any program of the sandbox can have written the arguments."""
    known = {one.name: one for one in (LIST_ACTORS, SEND_MESSAGE, READ_ANSWER, SPAWN_ACTOR)}
    if tool not in known:
        raise UnknownName("tool", tool, known)
    texts = [value for value in arguments.values() if isinstance(value, str)]
    match tool, {**arguments}:
        case _ if any(_SURROGATE.search(text) for text in texts):
            pass
        case LIST_ACTORS.name, {**rest} if not rest:
            return TeamAnswer(acting.describe())
        case SEND_MESSAGE.name, {"to": str(to), "text": str(text), **rest} if not rest:
            return acting.write(to, text)
        case READ_ANSWER.name, {"message": str(message), **rest} if not rest:
            return TeamAnswer(acting.read(message))
        case SPAWN_ACTOR.name, {"name": str(name), "task": str(text), **rest}:
            usd, only_reads = rest.pop("usd", None), rest.pop("only_reads", False)
            touches = rest.pop("touches", "")
            is_valid = isinstance(only_reads, bool) and isinstance(touches, str)
            if not rest and is_valid and _is_amount(usd):
                limit, reads = cast(float | None, usd), bool(only_reads)
                return acting.start(name, text, limit, str(touches), only_reads=reads)
        case _:
            pass
    raise UsageError(f"invalid arguments of {tool}", hint=known[tool].description)


def _is_amount(usd: Json) -> bool:
    is_number = isinstance(usd, int | float) and not isinstance(usd, bool)
    return usd is None or (is_number and abs(cast(float, usd)) < _MOST_USD)


class _Acting:
    """One actor at work on a task, with its rights."""

    def __init__(
        self,
        folder: ActorFolder,
        opened: OpenProject,
        history: ActorHistory,
        task: TaskAtWork,
        leads: Leads,
    ) -> None:
        self._folder = folder
        self._opened = opened
        self._actor = history.actor
        self._history = history
        self._task = task
        self._leads = leads

    def describe(self) -> str:
        """Return a line about each actor that this one may write to."""
        lines = [self._line(view) for view in self._others()]
        left = len(lines) - _SHOWN
        more = [f"and {left} more"] if left > 0 else []
        return "\n".join([*lines[:_SHOWN], *more]) or "There is no other agent."

    def write(self, to: str, text: str) -> TeamAnswer:
        """Send a task to another actor, once for each text."""
        view = self._find(to)
        trail = self._trail(str(view.folder.root), text)
        if any(one.id == trail.id for one in _messages_of(view)):
            return TeamAnswer(f"Message {trail.id} was sent before. {self._state(view)}")
        require_short(trail.hops, trail.steps)
        require_calm(self._exchanged(view), self._opened.now(), self._leads.hourly, view.name)
        if view.history.stopped:
            raise Refused(f"a person stopped the actor {view.name}", hint="do it without")
        send(view.folder, self._clean(text), self._sender(view.folder), self._opened, trail)
        words = f"Message {trail.id} is stored. {self._state(read_actor(view.folder))}"
        return TeamAnswer(words, ACTOR_MESSAGED, {"actor": view.name, "message": trail.id})

    def read(self, message: str) -> str:
        """Say how far a message of this actor is, and return its answer."""
        for view in self._others():
            for answered in view.history.answers:
                if answered.message.id == message and self._is_mine(answered.message, view):
                    quoted = "\n".join(f"> {line}" for line in answered.words.splitlines())
                    by = f"Answered by {view.name}, which is not a person"
                    return f"{by}: {answered.result}\n{quoted}"
            at_work = [view.task.message] if view.task else []
            waiting = [*at_work, *view.waiting]
            for place, one in enumerate(waiting):
                if one.id == message and self._is_mine(one, view):
                    first = f"Stored, after {number_of(place, 'other message')}."
                    return f"{'Taken.' if at_work == [one] else first} {self._state(view)}"
        raise UnknownName("message of yours", message, ())

    def start(
        self, name: str, text: str, usd: float | None, touches: str, *, only_reads: bool
    ) -> TeamAnswer:
        """Start another actor with a task, once for each name and text."""
        leads, mine = self._leads, started_by(self._folder.name, self._opened)
        trail = self._trail(name, text)
        known = next((view for view in mine if view.name == name), None)
        messages = _messages_of(known) if known else []
        if known and any(one.id == trail.id for one in messages):
            words = f"It was started before, with message {trail.id}. {self._state(known)}"
            return TeamAnswer(words)
        require_short(trail.hops, trail.steps)
        if known and not messages and not known.history.archived:
            # A killed process made it, and sent nothing.
            usd = known.history.actor.life_usd or 0.0
            send(known.folder, self._clean(text), known.history.actor.spawner, self._opened, trail)
            return _started(name, trail, usd)
        others = [view.name for view in mine if not view.history.archived]
        if len(others) >= leads.most:
            hint = "write to one of them, or do it yourself"
            raise Refused(
                f"no more agents may be started (now: {', '.join(others) or 'none'})", hint=hint
            )
        left = leads.most - len(others) - 1
        amount = choose_budget(usd, sum(map(set_aside, mine)), leads, left)
        like = None if only_reads else self._dimension()
        where = (self._actor.dimension or self._actor.workspace) if only_reads else ""
        actor = self._new_actor(name, amount, self._narrowed(touches))
        task = self._clean(text)
        spawn(actor, task, self._opened, where, only_reads=only_reads, like=like, trail=trail)
        return _started(name, trail, amount)

    def _narrowed(self, wanted: str) -> str:
        """Return the files that a started actor is expected to change: those of this one, or less.

        An actor that names none may name any.
        """
        own, found = read_touches(self._actor.touches), read_touches(wanted)
        if wide := [one for one in found if own and not is_within(one, own)]:
            raise Refused(
                f"{', '.join(wide)}: you are expected to change only {', '.join(own)}",
                hint="name fewer files, or none for the same ones",
            )
        return ", ".join(found or own)

    def _new_actor(self, name: str, usd: float, touches: str) -> Actor:
        """Return an actor that works as this one does."""
        own, rights = self._actor, self._leads.for_started(usd)
        return Actor(
            name=name,
            spawner=self._sender(self._folder),
            created=self._opened.now(),
            agent=own.agent,
            backend=own.backend,
            model=own.model,
            provider=own.provider,
            sandbox=own.sandbox,
            place=own.place,
            life_usd=usd,
            touches=touches,
            arguments=own.arguments,
            permissions=self._history.permissions,
            leads=rights if rights.to or rights.most else None,
        )

    def _others(self) -> Iterator[ActorView]:
        """Yield the actors that this one may write to: it started them, or their names match.

        Damaged records of one hide no other one.
        """
        own = self._folder
        for other in list_actors(self._opened.project.machine.state_dir):
            is_near = other.project == own.project
            is_named = self._leads.names(other.project.root.name, other.name, is_near=is_near)
            with suppress(AttractorError, OSError):
                is_mine = is_near and other.read().actor.spawner.is_actor(own.name)
                if other.root != own.root and (is_mine or is_named):
                    yield read_actor(other)

    def _find(self, name: str) -> ActorView:
        """Return the actor with exactly this name: another one would read the words otherwise."""
        others = [*self._others()]
        found = [
            view for view in others if name in (self._name_of(view), view.folder.qualified_name)
        ]
        if not found:
            raise UnknownName("actor", name, [self._name_of(view) for view in others])
        if len(found) > 1:
            raise Refused(
                f"{name} means {len(found)} actors, of projects in folders of one name",
                hint="tell a person",
            )
        return found[0]

    def _sender(self, other: ActorFolder) -> Sender:
        """Return this actor as the sender; in another project, with the name of its own."""
        is_near = other.project == self._folder.project
        name = self._folder.name if is_near else self._folder.qualified_name
        return Sender(SenderKind.ACTOR, name, f"run {self._task.run_id}")

    def _is_mine(self, message: Message, view: ActorView) -> bool:
        return message.sender.is_actor(self._sender(view.folder).name)

    def _trail(self, *words: str) -> Trail:
        """Return the trail of a message: a repeated call of a run does not send it again."""
        id_ = f"{self._task.run_id}-{content_hash(chr(0).join(words).encode())[:10]}"
        return Trail(id_, self._task.message.hops + 1, self._task.message.steps + 1)

    def _exchanged(self, view: ActorView) -> list[datetime]:
        """Return when this actor and another one gave each other tasks."""
        tasks = [one for one in _messages_of(view) if self._is_mine(one, view)]
        own = _messages_of(read_actor(self._folder))
        tasks += [one for one in own if one.sender.is_actor(self._name_of(view))]
        return [one.sent for one in tasks if one.kind is MessageKind.TASK]

    def _dimension(self) -> Dimension | None:
        records = DimensionRecords.of(self._opened).all()
        return next((one for one in records if one.name == self._actor.dimension), None)

    def _state(self, view: ActorView) -> str:
        reason = view.task.obstacle if view.task else ""
        now = f"{view.name} is {_now(view)}{f': {reason}' if reason else ''}."
        if view.history.stopped or view.history.archived:
            return f"{now} The message waits until a person lets it work again."
        help_ = "A person has to help it first. " if view.status in _NEED_HELP else ""
        return f"{now} {help_}{_NO_WAIT}"

    def _line(self, view: ActorView) -> str:
        last = view.history.last
        said = f"; its last answer: {last.words}" if last else ""
        is_mine = view.history.actor.spawner.is_actor(self._folder.name)
        words = " ".join(f"{_now(view)}{', started by you' if is_mine else ''}{said}".split())
        return f"{self._name_of(view)}: {shorten(words, _LONGEST_LINE)}"

    def _name_of(self, view: ActorView) -> str:
        """Return the name of another actor, as this one knows it."""
        is_near = view.folder.project == self._folder.project
        return view.name if is_near else view.folder.qualified_name

    def _clean(self, text: str) -> str:
        return self._opened.project.redactor.text(text)


_NO_WAIT = "Do not wait: its answer begins your next task."


def _now(view: ActorView) -> str:
    return "queued" if view.can_begin and not view.has_process else view.status.value


def _started(name: str, trail: Trail, usd: float) -> TeamAnswer:
    words = f"{name} is started with message {trail.id}, for at most {usd:g} USD. {_NO_WAIT}"
    data: dict[str, Json] = {"actor": name, "message": trail.id, "usd": usd}
    return TeamAnswer(words, ACTOR_SPAWNED, data)


def _messages_of(view: ActorView) -> list[Message]:
    """Return the messages of an actor: the answered ones, the one in work, and those that wait."""
    task = [view.task.message] if view.task else []
    return [*(one.message for one in view.history.answers), *task, *view.waiting]
