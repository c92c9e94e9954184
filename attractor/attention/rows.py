"""A row of what needs a person: what is shown, what the person can do, and what does it.

A decision, a plan and a promotion have no choice: their evidence is on a page of their own.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime

from attractor.attention.evidence import Evidence
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UnknownName, UsageError, words_of
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.questions.question import Question
from attractor.factory.open_project import OpenProject
from attractor.factory.operator_process import Scope
from attractor.factory.project import ProjectFolder
from attractor.language.source.text import visible
from attractor.records.diagnosis.needs import UNREADABLE, RunNeed
from attractor.records.summary import RunOverview
from attractor.worlds.actors import ActorFolder
from attractor.worlds.messages import Sender
from attractor.worlds.status import ActorView


class RowGone(UnknownName):
    """The row was settled, or it shows something else now."""

    def __init__(self) -> None:
        UsageError.__init__(self, "this was settled or has changed meanwhile", hint="look again")


@dataclass(frozen=True)
class Field:
    """A text that a person types with a choice."""

    name: str
    label: str
    is_required: bool = False
    is_long: bool = False


@dataclass(frozen=True)
class Choice:
    """One thing that a person can do: `values` are sent with the typed texts of its fields.

    `letter` is its key on a keyboard. If it `is_free`, a line that is no other choice is its field.
    `scope` is what a caller needs; with `decide`, the choice also proves a person.
    """

    key: str
    label: str
    letter: str
    fields: Sequence[Field] = ()
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    is_free: bool = False
    scope: Scope = Scope.OPERATE

    def to_record(self) -> dict[str, Json]:
        """Return the choice as JSON."""
        return write_fields(self)


@dataclass(frozen=True)
class Settler:
    """A person who settles rows of one project.

    `require` refuses a person who lacks a scope. `cancel` cancels a run with a reason; `resume`
    lets a stopped run go on; `answer` answers a question of a run. The last two return what
    happens next.
    """

    by: Sender
    opened: OpenProject
    require: Callable[[Scope], object]
    cancel: Callable[[str, str], object]
    resume: Callable[[str], str]
    answer: Callable[[str, str, str], str]


def no_evidence(opened: OpenProject) -> Evidence:
    """Return nothing: the row says all."""
    return Evidence()


Act = Callable[[str, Mapping[str, str], Settler], str]
"""Type of a function that does a choice with the typed texts, and says what happened."""


@dataclass(frozen=True)
class Link:
    """The page on which a person goes on from a row."""

    text: str
    address: str


def link_to_run(run_id: str, text: str = "Open the run", page: str = "") -> Link:
    """Return the link to a page of a run."""
    return Link(text, f"/runs/{run_id}{page}")


@dataclass(frozen=True, kw_only=True)
class AttentionRow:
    """One thing that needs a person, with the command that settles it.

    `id` is the same as long as it is the same thing, and `need` says in a word what it is. `actor`
    is set for the work of an actor. `about` is what its run is about. `message` is the one whose
    answer the row shows; it `has_failed` if the task did. `rows` are the failed tasks of a row
    about their common cause; each has a command of its own. `act` does each of `choices`. `look`
    reads what is needed to choose one, in the open project.
    """

    id: str
    need: str
    project: ProjectFolder
    name: str
    reason: str
    since: datetime
    command: str
    usage: Usage = NOTHING_USED
    run_id: str = ""
    about: str = ""
    message: str = ""
    has_failed: bool = False
    questions: Sequence[Question] = ()
    actor: ActorView | None = None
    rows: Sequence["AttentionRow"] = ()
    choices: Sequence[Choice] = ()
    act: Act | None = None
    link: Link | None = None
    look: Callable[[OpenProject], Evidence] = no_evidence

    @property
    def title(self) -> str:
        """The row in a few words, for people: its actor, or what it is about."""
        return visible(self.name if self.actor else self.about or self.name)

    def evidence(self, open_: Callable[[], OpenProject]) -> Evidence:
        """Return what is needed to choose, or why it cannot be read, such as of a deleted run."""
        try:
            return self.look(open_())
        except (AttractorError, OSError) as fault:
            return Evidence(facts={"not readable": words_of(fault)})

    @property
    def folder(self) -> ActorFolder:
        """The folder of the actor of the row."""
        assert self.actor
        return self.actor.folder

    def to_record(self) -> dict[str, Json]:
        """Return the row as JSON."""
        return {
            "id": self.id,
            "need": self.need,
            "project": {"id": self.project.project_id, "folder": str(self.project.root)},
            "name": self.name,
            "actor": self.actor.name if self.actor else "",
            "run_id": self.run_id,
            "about": self.about,
            "reason": self.reason,
            "since": self.since.isoformat(),
            "cost_usd": round(self.usage.cost_usd, 6),
            "unpriced_tokens": self.usage.unpriced_tokens,
            "command": self.command,
            "questions": [write_fields(question) for question in self.questions],
            "choices": [one.to_record() for one in self.choices],
            "rows": [row.to_record() for row in self.rows],
        }


def row_of_run(project: ProjectFolder, run: RunOverview, need: RunNeed) -> AttentionRow:
    """Return the row of a need of a run, without choices."""
    return AttentionRow(
        id=need.row,
        need=need.why,
        project=project,
        name=run.run_id,
        reason=need.words,
        since=run.written or run.started,
        usage=run.usage,
        command=need.command,
        run_id=run.run_id,
        about="" if need.why == UNREADABLE else run.subject,
    )


def settle(row: AttentionRow, choice: str, fields: Mapping[str, str], at: Settler) -> str:
    """Do what a person chose, and return what happened in words."""
    offered = {one.key: one for one in row.choices}
    if choice not in offered or row.act is None:
        known = ", ".join(offered) or f"none: {row.command}"
        raise UsageError(f"{row.name} has no choice {choice!r}", hint=f"choices: {known}")
    at.require(offered[choice].scope)
    for one in offered[choice].fields:
        if one.is_required and not fields.get(one.name, "").strip():
            raise UsageError(f"missing {one.name}", hint=one.label)
    return row.act(choice, fields, at)


def find_row(row_id: str, rows: Sequence[AttentionRow]) -> AttentionRow:
    """Return the row that was shown, also one of a common cause; refuse if it is not there now."""
    for row in rows:
        for one in (row, *row.rows):
            if one.id == row_id:
                return one
    raise RowGone


def read_line(line: str, choices: Sequence[Choice]) -> tuple[str, Mapping[str, str]] | None:
    """Return the choice and the fields that a person typed; None if it is no choice.

    `dismiss It is old.` fills the first field of a choice.
    """
    for one in choices:
        names = [each.name for each in one.fields[:1]]
        words = (one.key, one.label, one.letter)
        is_meant = line.casefold() in words or (names and line.startswith(f"{one.key} "))
        if is_meant and not (one.is_free or one.values):
            return one.key, dict.fromkeys(names, line.partition(f"{one.key} ")[2].strip())
    free = next((one for one in choices if one.is_free), None)
    return (free.key, {free.fields[0].name: line}) if free else None


def in_project(project: ProjectFolder) -> str:
    """Return the beginning of a command of a project."""
    return f"cd {shlex.quote(str(project.root))} && "
