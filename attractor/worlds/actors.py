"""Actors: their records, and the journal from which their state is read.

The journal of an actor contains what people and its processes recorded: how it was spawned, which
runs answered which messages, and that it was stopped, seen or archived. Nothing else is stored: the
status is read from journal, inbox, lock and runs (`status.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import TypeVar

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError, VerificationError
from attractor.base.files import (
    StoredFile,
    file_error,
    make_private_folder,
    read_regular,
    remove_file,
    store_private_folder,
    write_whole,
)
from attractor.base.journal import Journal, read_lines
from attractor.base.json import canonical_json, parse_object
from attractor.base.locks import FileLock
from attractor.base.names import find_named
from attractor.base.records import read_record, write_record
from attractor.config.checks import require_new_name
from attractor.engine.outcome import NOTHING_USED, Usage, format_usage_cost
from attractor.engine.questions.call_rules import SANDBOX_LIMITS, CallPermissions
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder, list_project_folders, project_folder
from attractor.language.source.text import visible
from attractor.records.lookup import mark_of
from attractor.worlds.leads import LeadRule, Leads
from attractor.worlds.messages import Message, Sender, TaskAtWork

ACTORS = "actors"
_INBOX, _JOURNAL, _TASK = "inbox", "journal.jsonl", "now.json"
_PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Actor:
    """An actor: a name for a chain of runs in one dimension.

    Without a `pipeline`, each run is one stage of a coding agent. `life_usd` is the limit of the
    cost of all runs. Workers of a `pool` of the fleet execute the runs (default: a process here).
    `touches` are patterns of the files that it is expected to change. `arguments` are further ones
    of the program. Its stages work in a `place`, if it names one. The last record counts, since the
    `folder` may move.
    """

    name: str
    spawner: Sender
    created: datetime
    dimension: str = ""
    workspace: str = "in-place"
    folder: str = ""
    pipeline: str = ""
    agent: str = ""
    backend: str = "agent"
    model: str = ""
    provider: str = ""
    sandbox: str = "auto"
    life_usd: float | None = None
    pool: str = ""
    touches: str = ""
    arguments: Sequence[str] = ()
    before: str = ""
    """The run whose conversation the first run continues: that of the actor it is a clone of."""
    permissions: CallPermissions = SANDBOX_LIMITS
    leads: Leads | None = None
    """Its rights over other actors; None gives it none."""
    place: str = ""


class Mark(StrEnum):
    """What a person recorded of an actor."""

    STOPPED = "stopped"
    SEEN = "seen"
    UNSEEN = "unseen"
    ARCHIVED = "archived"
    UNARCHIVED = "unarchived"


@dataclass(frozen=True)
class Answered:
    """The answer to a message: what its run did. Without a run, the message was refused.

    `words` are the last words of the run, shortened; `files` are the first changed files, and
    `by_others` those that others changed between the stages. `commit` contains the changes in the
    branch of the dimension; `why_not_committed` is the reason if it lacks some, or is missing.
    """

    message: Message
    run_id: str
    succeeded: bool
    reason: str
    words: str
    changed: int
    files: Sequence[str]
    cost_usd: float
    at: datetime
    unpriced_tokens: int = 0
    by_others: Sequence[str] = ()
    commit: str = ""
    why_not_committed: str = ""
    rules: Sequence[str] = ()
    """Rules about tool calls that people gave with their answers: later tasks have them too."""

    @property
    def usage(self) -> Usage:
        """The cost of the run, and the tokens whose cost is unknown."""
        return Usage(cost_usd=self.cost_usd, unpriced_tokens=self.unpriced_tokens)

    @property
    def result(self) -> str:
        """How the run ended and what it changed, in one line; the reason of a refused message."""
        ended = "succeeded" if self.succeeded else f"failed: {self.reason}"
        count = number_of(self.changed, "file") if self.changed else "no files"
        names = f": {', '.join(self.files)}" if self.files else ""
        left = self.changed - len(self.files)
        more = f" and {left} more" if left > 0 else ""
        if self.by_others:
            more += f"; by others: {', '.join(self.by_others)}"
        if self.commit:
            more += f"; commit {self.commit[:12]}"
        if self.why_not_committed:
            more += f"; not committed: {self.why_not_committed}"
        shown = f"{ended}; {count} changed{names}{more}; {format_usage_cost(self.usage)}"
        return visible(f"{shown}; run {self.run_id}" if self.run_id else ended)


@dataclass(frozen=True)
class Marked:
    """A mark of a person; `message` is the id of the message whose answer was seen, or was not."""

    mark: Mark
    by: Sender
    at: datetime
    message: str = ""

    @property
    def is_stop(self) -> bool:
        """Whether the actor was stopped."""
        return self.mark is Mark.STOPPED


@dataclass(frozen=True)
class Resumed:
    """A message was sent to a stopped actor, which works again."""

    by: Sender
    at: datetime


@dataclass(frozen=True)
class GoneOn:
    """A task whose process died goes on: a person said so, or `attractor up` did."""

    run_id: str
    by: Sender
    at: datetime


@dataclass(frozen=True)
class Renamed:
    """The actor gets another name, which is that of its folder."""

    before: str
    after: str
    by: Sender
    at: datetime


class RuleEffect(StrEnum):
    """What a rule about tool calls does; a removed one does nothing."""

    ALLOW = "allow"
    DENY = "deny"
    REMOVE = "remove"


@dataclass(frozen=True)
class RuleSet:
    """A person gave or removed a rule about tool calls."""

    rule: str
    effect: RuleEffect
    by: Sender
    at: datetime


@dataclass(frozen=True)
class Changed:
    """A person lets the actor work in another way from the next task on."""

    actor: Actor
    by: Sender
    at: datetime


@dataclass(frozen=True)
class Renewed:
    """The conversation begins anew: the next run continues none."""

    by: Sender
    at: datetime


@dataclass(frozen=True)
class LeadStopped:
    """The agent was stopped by a rule about other actors, or a person has seen that it was."""

    rule: LeadRule
    words: str
    at: datetime
    is_seen: bool = False


Line = (
    Actor
    | Answered
    | Marked
    | Resumed
    | Renamed
    | Changed
    | Renewed
    | GoneOn
    | RuleSet
    | LeadStopped
)
L = TypeVar("L", bound=Line)
_KINDS: Mapping[str, type[Line]] = {
    "spawned": Actor,
    "answered": Answered,
    "marked": Marked,
    "resumed": Resumed,
    "renamed": Renamed,
    "changed": Changed,
    "renewed": Renewed,
    "gone_on": GoneOn,
    "rule": RuleSet,
    "lead_stopped": LeadStopped,
}
_NAMES = {type_: name for name, type_ in _KINDS.items()}


@dataclass(frozen=True)
class ActorHistory:
    """What the journal of an actor records; `seen` is the message whose answer was seen.

    `before` is the run whose conversation the next one continues, `gone_on` are the times when a
    cut task was to go on, `changed` is the last change of how it works. `stopped_by` are the rules
    that stopped its agent, unseen so far; `has_led` says whether it ever had rights over others.
    """

    actor: Actor
    answers: Sequence[Answered] = ()
    stopped: Marked | None = None
    archived: Marked | None = None
    seen: str = ""
    before: str = ""
    gone_on: Sequence[GoneOn] = ()
    changed: Changed | None = None
    rules: Mapping[str, RuleEffect] = field(default_factory=dict[str, RuleEffect])
    stopped_by: Mapping[LeadRule, LeadStopped] = field(default_factory=dict[LeadRule, LeadStopped])
    has_led: bool = False

    @classmethod
    def of(cls, lines: Sequence[Line]) -> "ActorHistory | None":
        """Return the history of the lines of a journal; None without any."""
        records = [line for line in lines if isinstance(line, Actor | Changed)]
        if not records:
            return None
        actor = records[-1] if isinstance(records[-1], Actor) else records[-1].actor
        seen = [""]
        for line in lines:
            if isinstance(line, Marked) and line.mark is Mark.SEEN:
                seen.append(line.message)
            elif isinstance(line, Marked) and line.mark is Mark.UNSEEN:
                seen = ["", *(one for one in seen[1:] if one != line.message)]
        return cls(
            actor,
            answers=[line for line in lines if isinstance(line, Answered)],
            stopped=next((one for one in _since(lines, Resumed, Marked) if one.is_stop), None),
            archived=_archived(lines),
            seen=seen[-1],
            before=_before(lines, actor),
            gone_on=[line for line in lines if isinstance(line, GoneOn)],
            changed=next((line for line in reversed(records) if isinstance(line, Changed)), None),
            rules=_rules(lines),
            stopped_by=_stopped_by(lines),
            has_led=any((one if isinstance(one, Actor) else one.actor).leads for one in records),
        )

    @property
    def permissions(self) -> CallPermissions:
        """Whether people are asked about tool calls of the next task, with all rules."""
        by_effect = {
            effect: [rule for rule, own in self.rules.items() if own is effect]
            for effect in RuleEffect
        }
        allow, deny = by_effect[RuleEffect.ALLOW], by_effect[RuleEffect.DENY]
        return replace(self.actor.permissions, allow=allow, deny=deny)

    @property
    def last(self) -> Answered | None:
        """The last answer."""
        return self.answers[-1] if self.answers else None

    @property
    def unreviewed(self) -> Answered | None:
        """The last answer that changed files, unless it, or a later one, was seen."""
        for answer in reversed(self.answers):
            if answer.message.id == self.seen:
                return None
            if answer.changed:
                return answer
        return None

    @property
    def answered_ids(self) -> frozenset[str]:
        """The ids of the answered messages."""
        return frozenset(one.message.id for one in self.answers)

    @property
    def usage(self) -> Usage:
        """The cost of all runs that ended."""
        return sum((one.usage for one in self.answers), NOTHING_USED)


@dataclass
class KnownLines:
    """The lines of a journal that were read before, so that 1,000 tasks slow no process down."""

    lines: list[Line] = field(default_factory=list[Line])
    end: int = 0
    file: int = 0
    """The number of the file: another actor may get its path."""
    lock: Lock = field(default_factory=Lock)
    """Held by the thread that reads further."""


def _rules(lines: Sequence[Line]) -> Mapping[str, RuleEffect]:
    """Return the rules about tool calls, the last word about each.

    It is that of a person who set a rule while the task waited or was in work, not of an answer.
    """
    rules: dict[str, RuleEffect] = {}
    for at, line in enumerate(lines):
        match line:
            case Actor() if not any(isinstance(one, Actor) for one in lines[:at]):
                rules |= dict.fromkeys(line.permissions.allow, RuleEffect.ALLOW)
                rules |= dict.fromkeys(line.permissions.deny, RuleEffect.DENY)
            case Answered():
                since = line.message.sent
                before = [one for one in lines[:at] if isinstance(one, RuleSet)]
                newer = [one.rule for one in before if one.at >= since]
                learnt = [rule for rule in line.rules if rule not in newer]
                rules |= dict.fromkeys(learnt, RuleEffect.ALLOW)
            case RuleSet():
                rules[line.rule] = line.effect
            case _:
                pass
    return {rule: effect for rule, effect in rules.items() if effect is not RuleEffect.REMOVE}


def _stopped_by(lines: Sequence[Line]) -> Mapping[LeadRule, LeadStopped]:
    """Return what no person has seen yet, the first of each rule."""
    found: dict[LeadRule, LeadStopped] = {}
    for line in lines:
        if isinstance(line, LeadStopped) and line.is_seen:
            found.pop(line.rule, None)
        elif isinstance(line, LeadStopped):
            found.setdefault(line.rule, line)
    return found


def _archived(lines: Sequence[Line]) -> Marked | None:
    kinds = (Mark.ARCHIVED, Mark.UNARCHIVED)
    marks = [line for line in lines if isinstance(line, Marked) and line.mark in kinds]
    return marks[-1] if marks and marks[-1].mark is Mark.ARCHIVED else None


def _before(lines: Sequence[Line], actor: Actor) -> str:
    """Return the last run of the conversation; that of a clone begins with another actor."""
    own = next((one.run_id for one in _since(lines, Renewed, Answered) if one.run_id), "")
    return own or ("" if any(isinstance(line, Renewed) for line in lines) else actor.before)


def _since(lines: Sequence[Line], mark: type[Line], wanted: type[L]) -> Iterator[L]:
    """Yield the lines of a type after the last line of another type, the newest first."""
    for line in reversed(lines):
        if isinstance(line, mark):
            return
        if isinstance(line, wanted):
            yield line


@dataclass(frozen=True)
class ActorFolder:
    """The folder of an actor in the state folder, and the project to which it belongs."""

    root: Path
    project: ProjectFolder

    @property
    def name(self) -> str:
        """The name of the actor."""
        return self.root.name

    @property
    def qualified_name(self) -> str:
        """The name, after the name of the project's folder."""
        return f"{self.project.root.name}/{self.name}"

    @property
    def lock(self) -> Path:
        """The lock that the process of the actor holds."""
        return self.root / "lock"

    @property
    def person(self) -> Path:
        """The lock that a person holds who works, or wants to work, with the actor."""
        return self.root / "person"

    @property
    def inbox(self) -> Path:
        """The folder of the messages that are not answered."""
        return self.root / _INBOX

    @property
    def log(self) -> Path:
        """The output of the actor's processes."""
        return self.root / "process.log"

    def read(self, known: "KnownLines | None" = None) -> ActorHistory:
        """Read the journal; a line that a killed writer left incomplete is skipped.

        Only the lines after the `known` ones are read, and added to them.
        """
        place, known = self.root / _JOURNAL, known or KnownLines()
        with known.lock:
            if known.end:
                status = place.stat()
                if status.st_size < known.end or status.st_ino != known.file:
                    # A copy was restored, or an actor renamed.
                    known.lines, known.end = [], 0
            known.file = known.file if known.end else _number_of(place)
            for line in read_lines(place, offset=known.end):
                known.lines.append(self._parse(line.content))
                known.end = line.end
            history = ActorHistory.of(known.lines)
        if history is None:
            hint = "restore it from a backup"
            raise VerificationError(f"{place} does not record an actor", hint=hint)
        return replace(history, actor=replace(history.actor, name=self.name))

    def count_failures(self) -> int:
        """Return how many messages were answered without success; the lines are not parsed."""
        return read_regular(self.root / _JOURNAL).count(b'"succeeded":false')

    def signature(self) -> list[str]:
        """Return texts that differ after a change of the messages, the journal or the task."""
        return [mark_of(f"{self.root}/{name}") for name in (_INBOX, _JOURNAL, _TASK)]

    def record(self, line: Line) -> None:
        """Append a line to the journal, and sync it."""
        with Journal.open(self.root / _JOURNAL, wait=_PATIENCE_S) as journal:
            journal.append(_to_line(line))

    def read_task(self) -> TaskAtWork | None:
        """Return the message that the actor works on, with its run, if there is one."""
        place = self.root / _TASK
        try:
            content = read_regular(place)
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise file_error("read", place, cause) from cause
        return read_record(TaskAtWork, parse_object(content) or {})

    def write_task(self, task: TaskAtWork) -> None:
        """Record the message that the actor works on from now on."""
        write_whole(self.root / _TASK, canonical_json(write_record(task)))

    def remove_task(self) -> None:
        """Record that the actor works on no message; its journal has the answer."""
        remove_file(self.root / _TASK)

    def _parse(self, content: bytes) -> Line:
        record = parse_object(content) or {}
        data = record.get("data")
        kind = _KINDS.get(str(record.get("kind")))
        if kind is None or not isinstance(data, dict):
            hint = "restore it from a backup"
            raise VerificationError(f"invalid line in {self.root / _JOURNAL}", hint=hint)
        return read_record(kind, data)


def _number_of(place: Path) -> int:
    try:
        return place.stat().st_ino
    except FileNotFoundError:
        return 0


def _to_line(line: Line) -> str:
    return canonical_json({"kind": _NAMES[type(line)], "data": write_record(line)})


def lock_actors(project: ProjectFolder, state: Path) -> FileLock:
    """Lock the actors of a project while one is made, or changes its name or its values."""
    place = project_folder(state, project.project_id)
    make_private_folder(place)
    return FileLock(place / f"{ACTORS}.lock").acquire(wait=_PATIENCE_S, purpose="attractor: actors")


def require_free_name(name: str, project: ProjectFolder, state: Path) -> None:
    """Refuse the name of an actor that exists, or that is archived."""
    require_actor_name(name)
    if (project_folder(state, project.project_id) / ACTORS / name).exists():
        raise Refused(f"the actor {name} exists already", hint="choose another name")


def create_actor(actor: Actor, project: ProjectFolder, state: Path) -> ActorFolder:
    """Create the folder of a new actor at once, or refuse a name that is taken."""
    require_free_name(actor.name, project, state)
    root = project_folder(state, project.project_id) / ACTORS / actor.name
    store_private_folder(root, [StoredFile(_JOURNAL, f"{_to_line(actor)}\n".encode())])
    return ActorFolder(root, project)


def require_actor_name(name: str) -> None:
    """Refuse a name that could be no folder, branch or word of a command."""
    try:
        require_new_name(name)
    except ValueError as cause:
        raise UsageError(f"invalid name of an actor {name!r}", hint=str(cause)) from cause


def list_actors(state: Path) -> Sequence[ActorFolder]:
    """Return the actors of all projects of a state folder, by project and name."""
    return [
        ActorFolder(root, project)
        for project in list_project_folders(state)
        for root in sorted(
            (project_folder(state, project.project_id) / ACTORS).glob("[!.]*"), key=str
        )
    ]


def actors_of_project(opened: OpenProject) -> list[ActorFolder]:
    """Return the actors of a project, archived ones as well."""
    own = opened.identity.project_id()
    actors = list_actors(opened.project.machine.state_dir)
    return [folder for folder in actors if folder.project.project_id == own]


def find_actor(reference: str, actors: Sequence[ActorFolder], project_id: str = "") -> ActorFolder:
    """Return the actor with a name, otherwise with the unique beginning of one, over all projects.

    `PROJECT/NAME` names the folder of its project. Actors of a project hide others.
    """
    return find_named(
        "actor",
        reference,
        actors,
        lambda one: (one.name, one.qualified_name),
        is_own=lambda one: one.project.project_id == project_id,
    )
