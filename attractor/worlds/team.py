"""The other actors, as the agent of an actor may use them: it writes to them, and starts some.

The sender of a message is the actor, and the run in which it writes; no argument names one.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from threading import Lock

from attractor.backends.team import LIST_ACTORS, READ_ANSWER, SEND_MESSAGE, SPAWN_ACTOR, TeamAnswer
from attractor.base.amounts import number_of
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.json import JsonObject, content_hash
from attractor.engine.journal.events import ACTOR_MESSAGED, ACTOR_SPAWNED
from attractor.engine.truncation import shorten
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.open_project import OpenProject
from attractor.worlds.actors import (
    Actor,
    ActorFolder,
    ActorHistory,
    LeadStopped,
    actors_of_project,
    find_actor,
    list_actors,
)
from attractor.worlds.leads import Leads, LedTooFar, require_budget, require_calm, require_short
from attractor.worlds.messages import Message, MessageKind, Sender, SenderKind, TaskAtWork
from attractor.worlds.orders import send, spawn
from attractor.worlds.status import ActorStatus, ActorView, read_actor

_LONGEST_LINE = 200
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
            if task is None or leads is None:
                raise Refused("this agent may not write to others", hint="do the work yourself")
            acting = _Acting(self._folder, self._opened, history, task, leads)
            try:
                return _do(acting, tool, arguments)
            except LedTooFar as stopped:
                known = history.lead_stopped
                if not known or known.rule is not stopped.rule:
                    line = LeadStopped(stopped.rule, stopped.message, self._opened.now())
                    self._folder.record(line)
                raise


def with_team(folder: ActorFolder, opened: OpenProject) -> OpenProject:
    """Return the project in which the agent of an actor may use other actors."""
    console = replace(opened.project.console, team=ActorTeam(folder, opened))
    return OpenProject(replace(opened.project, console=console))


def _do(acting: "_Acting", tool: str, arguments: JsonObject) -> TeamAnswer:
    known = {one.name: one for one in (LIST_ACTORS, SEND_MESSAGE, READ_ANSWER, SPAWN_ACTOR)}
    if tool not in known:
        raise UnknownName("tool", tool, known)
    match tool, {"usd": None, "only_reads": False, **arguments}:
        case LIST_ACTORS.name, {}:
            return TeamAnswer(acting.describe())
        case SEND_MESSAGE.name, {"to": str(to), "text": str(text)}:
            return acting.write(to, text)
        case READ_ANSWER.name, {"message": str(message)}:
            return TeamAnswer(acting.read(message))
        case SPAWN_ACTOR.name, {
            "name": str(name),
            "task": str(text),
            "usd": None | int() | float() as usd,
            "only_reads": bool(only_reads),
        }:
            return acting.start(name, text, usd, only_reads=only_reads)
        case _:
            needed = known[tool].parameters["properties"]
            raise UsageError(f"invalid arguments of {tool}", hint=f"they are {needed}")


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
        lines = [self._line(read_actor(folder)) for folder in self._others()]
        left = len(lines) - _SHOWN
        more = [f"and {left} more"] if left > 0 else []
        return "\n".join([*lines[:_SHOWN], *more]) or "There is no other agent."

    def write(self, to: str, text: str) -> TeamAnswer:
        """Send a task to another actor, once for each text."""
        other = find_actor(to, [*self._others()], self._folder.project.project_id)
        id_ = self._message_id(str(other.root), text)
        view = read_actor(other)
        if any(one.id == id_ for one in _messages_of(view)):
            return TeamAnswer(f"Message {id_} was sent before. {self._state(view)}")
        hops = self._task.message.hops + 1
        require_short(hops)
        require_calm(self._exchanged(view), self._opened.now(), self._leads.hourly, other.name)
        if view.history.stopped:
            raise Refused(f"a person stopped the actor {other.name}", hint="do it without")
        send(other, self._clean(text), self._sender(other), self._opened, id_=id_, hops=hops)
        words = f"Message {id_} is stored. {self._state(read_actor(other))}"
        return TeamAnswer(words, ACTOR_MESSAGED, {"actor": other.name, "message": id_})

    def read(self, message: str) -> str:
        """Say how far a message of this actor is, and return its answer."""
        for view in map(read_actor, self._others()):
            for answered in view.history.answers:
                if answered.message.id == message and self._is_mine(answered.message, view):
                    quoted = "\n".join(f"> {line}" for line in answered.words.splitlines())
                    by = f"Answered by {view.name}, which is not a person"
                    return f"{by}: {answered.result}\n{quoted}"
            at_work = [view.task.message] if view.task else []
            waiting = [*at_work, *view.waiting]
            for place, one in enumerate(waiting):
                if one.id == message and self._is_mine(one, view):
                    first = f"Stored; {number_of(place, 'message')} come first."
                    return f"{'Taken.' if at_work == [one] else first} {self._state(view)}"
        raise UnknownName("message of yours", message, ())

    def start(self, name: str, text: str, usd: float | None, *, only_reads: bool) -> TeamAnswer:
        """Start another actor with a task, once for each name and text."""
        leads, mine = self._leads, [read_actor(one) for one in self._started()]
        id_ = self._message_id(name, text)
        for view in mine:
            if view.name == name and any(one.id == id_ for one in _messages_of(view)):
                return TeamAnswer(f"It was started before, with message {id_}. {self._state(view)}")
        hops = self._task.message.hops + 1
        require_short(hops)
        at_work = [view for view in mine if not view.history.archived]
        if len(at_work) >= leads.most:
            names = ", ".join(view.name for view in at_work) or "none"
            hint = "write to one of them, or do it yourself"
            raise Refused(f"no more agents may be started (now: {names})", hint=hint)
        spent = sum(_set_aside(view) for view in mine)
        amount = (leads.usd - spent) / (leads.most - len(at_work)) if usd is None else float(usd)
        require_budget(amount, spent, leads)
        if not amount > 0:
            raise UsageError("an agent without a budget cannot work", hint="give it some: usd")
        own = self._actor
        started = leads.for_started(amount)
        actor = Actor(
            name=name,
            spawner=self._sender(self._folder),
            created=self._opened.now(),
            agent=own.agent,
            backend=own.backend,
            model=own.model,
            provider=own.provider,
            sandbox=own.sandbox,
            life_usd=amount,
            arguments=own.arguments,
            permissions=self._history.permissions,
            leads=started if started.to or started.most else None,
        )
        where = (own.dimension or own.workspace) if only_reads else ""
        spawn(
            actor,
            self._clean(text),
            self._opened,
            where,
            only_reads=only_reads,
            like=None if only_reads else self._dimension(),
            id_=id_,
            hops=hops,
        )
        data = {"actor": name, "message": id_, "usd": amount}
        words = f"{name} is started with message {id_}, for at most {amount:g} USD. {_NO_WAIT}"
        return TeamAnswer(words, ACTOR_SPAWNED, {**data})

    def _others(self) -> Iterator[ActorFolder]:
        """Yield the actors that this one may write to: it started them, or their names match."""
        own = self._folder
        mine = {one.root for one in self._started()}
        for other in list_actors(self._opened.project.machine.state_dir):
            is_near = other.project == own.project
            names = (other.name, other.qualified_name) if is_near else (other.qualified_name,)
            if other.root != own.root and (other.root in mine or self._leads.names(*names)):
                yield other

    def _started(self) -> Iterator[ActorFolder]:
        for other in actors_of_project(self._opened):
            if other.read().actor.spawner.is_actor(self._folder.name):
                yield other

    def _sender(self, other: ActorFolder) -> Sender:
        """Return this actor as the sender; in another project, with the name of its own."""
        is_near = other.project == self._folder.project
        name = self._folder.name if is_near else self._folder.qualified_name
        return Sender(SenderKind.ACTOR, name, f"run {self._task.run_id}")

    def _is_mine(self, message: Message, view: ActorView) -> bool:
        return message.sender.is_actor(self._sender(view.folder).name)

    def _message_id(self, *words: str) -> str:
        """Return the id of a message: a repeated call of a run does not send it again."""
        return f"{self._task.run_id}-{content_hash(chr(0).join(words).encode())[:10]}"

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


def _messages_of(view: ActorView) -> list[Message]:
    """Return the messages of an actor: the answered ones, the one in work, and those that wait."""
    task = [view.task.message] if view.task else []
    return [*(one.message for one in view.history.answers), *task, *view.waiting]


def _set_aside(view: ActorView) -> float:
    """Return what an actor may cost; an archived one costs no more than it did."""
    is_over = view.history.archived is not None
    return view.usage.cost_usd if is_over else view.history.actor.life_usd or 0.0
