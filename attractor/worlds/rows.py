"""A row of what needs a person, and what the person can do about it.

A decision, a plan and a promotion have no choice: their evidence is on a page of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.questions.question import Question, QuestionKind
from attractor.factory.project import ProjectFolder
from attractor.worlds.breaker import Hold
from attractor.worlds.errors import RowGone
from attractor.worlds.status import ActorView

ANSWERED = "answered:"
"""The begin of the id of a row about an answer; then comes the id of the message."""


class Need(StrEnum):
    """What a person is needed for."""

    QUESTION = "question"
    DECISION = "decision"
    INTERRUPTED = "interrupted"
    BLOCKED = "blocked"
    FAILED = "failed"
    REVIEW = "review"
    ANSWERED = "answered"
    LIMIT = "limit"
    HELD = "held"
    PLAN = "plan"
    APP = "app"
    DRAFT = "draft"
    FLEET = "fleet"
    QUEUE = "queue"
    AUTOMATION = "automation"
    PULL_REQUEST = "pull request"


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
    """

    key: str
    label: str
    letter: str
    fields: Sequence[Field] = ()
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    is_free: bool = False

    def to_record(self) -> dict[str, Json]:
        """Return the choice as JSON."""
        return write_fields(self)


@dataclass(frozen=True, kw_only=True)
class AttentionRow:
    """One thing that needs a person, with the command that settles it.

    `id` is the same as long as it is the same thing. `actor` is set for the work of an actor.
    `about` is what its run is about.
    `rows` are the failed tasks of a row about their common cause; each has a command of its own.
    `held` are the actors whose messages wait for an answer about the cause in `hold`.
    """

    id: str
    need: Need
    project: ProjectFolder
    name: str
    reason: str
    since: datetime
    command: str
    usage: Usage = NOTHING_USED
    run_id: str = ""
    about: str = ""
    questions: Sequence[Question] = ()
    actor: ActorView | None = None
    rows: Sequence["AttentionRow"] = ()
    hold: Hold | None = None
    held: Sequence[ActorView] = ()

    @property
    def title(self) -> str:
        """The row in a few words, for people: its actor, or what it is about."""
        return self.name if self.actor else self.about or self.name

    @property
    def message(self) -> str:
        """The message whose answer the row shows; "" for another row."""
        return self.id.removeprefix(ANSWERED) if self.id.startswith(ANSWERED) else ""

    def to_record(self) -> dict[str, Json]:
        """Return the row as JSON."""
        return {
            "id": self.id,
            "need": self.need.value,
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
            "choices": [one.to_record() for one in choices_of(self)],
            "rows": [row.to_record() for row in self.rows],
        }


_SEEN = Choice("seen", "mark as reviewed", "s")
_TASK = Choice(
    "send", "send the next task", "", [Field("text", "Next task", True, True)], is_free=True
)


def choices_of(row: AttentionRow) -> Sequence[Choice]:
    """Return what a person can do about a row, the nearest first."""
    match row.need:
        case Need.QUESTION:
            return [*_answers(row.questions[0])]
        case Need.INTERRUPTED | Need.BLOCKED:
            again = "try again" if row.need is Need.BLOCKED else "go on"
            return [
                Choice("go on", again, "g"),
                Choice("start over", "start over", "b"),
                Choice("leave", "leave", "l"),
            ]
        case Need.HELD:
            return [
                Choice("go on", "go on", "g"),
                Choice("leave", "leave", "l"),
            ]
        case Need.DRAFT:
            reason = Field("reason", "Why it is dismissed")
            return [
                Choice("accept", "make it a desire", "a"),
                Choice("dismiss", "dismiss it", "x", [reason]),
            ]
        case Need.APP:
            return [Choice("start", "start the app", "g")]
        case _ if row.rows:
            return [Choice("seen", "mark all as reviewed", "s")]
        case Need.FAILED | Need.REVIEW | Need.ANSWERED:
            return [_SEEN, _TASK]
        case _:
            return ()


def _answers(question: Question) -> Iterator[Choice]:
    options = [(one.key, one.label) for one in question.options]
    if not options and question.kind in (QuestionKind.YES_NO, QuestionKind.CONFIRMATION):
        options = [("yes", "yes"), ("no", "no")]
    for number, (key, label) in enumerate(options, 1):
        yield Choice("answer", label, str(number) if number < 10 else "", values={"answer": key})
    typed = Field("answer", f"Answer to: {question.text}", True)
    yield Choice("answer", "answer in words", "a", [typed], is_free=True)


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
        is_meant = line in (one.key, one.label) or (names and line.startswith(f"{one.key} "))
        if is_meant and not (one.is_free or one.values):
            return one.key, dict.fromkeys(names, line.removeprefix(one.key).strip())
    free = next((one for one in choices if one.is_free), None)
    return (free.key, {free.fields[0].name: line}) if free else None
