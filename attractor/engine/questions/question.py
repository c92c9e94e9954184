"""Questions to people, their answers, and the protocol of an interviewer (attractor-spec 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.storage.json_files import Fields


class QuestionKind(StrEnum):
    """The kind of answer that a question asks for (attractor-spec 6.2)."""

    YES_NO = "yes_no"
    MULTIPLE_CHOICE = "multiple_choice"
    FREEFORM = "freeform"
    CONFIRMATION = "confirmation"


@dataclass(frozen=True)
class Option:
    """One option of a question."""

    key: str
    label: str


@dataclass(frozen=True)
class EnclosingBranch:
    """A branch that a question is asked in, with its item if the branch is one of a `for_each`.

    The key is the branch in events, the name its name at the node it begins at. The index begins
    with 1.
    """

    key: str
    name: str
    node: str = ""
    item: Json = None
    index: int = 0
    count: int = 0


@dataclass(frozen=True)
class Question:
    """A question to a person; its id names node, visit and attempt (attractor-spec 6.2).

    If a stage asks several questions, their ids have a suffix: `gate@1.1#name`. The default is the
    answer on a time-out, or on Enter. `targets` in the metadata are other names of the options. The
    run adds `within`: the branches that the question is asked in, from the outermost.
    """

    id: str
    text: str
    kind: QuestionKind
    options: Sequence[Option]
    stage: str
    deadline: str = ""
    default: str = ""
    timeout_seconds: float | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    within: Sequence[EnclosingBranch] = ()


class AnswerKind(StrEnum):
    """How a question was settled."""

    GIVEN = "given"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Answer:
    """The answer to a question, and its author (attractor-spec 6.3).

    The value is the key of an option, `yes`, `no` or free text; after a time-out it is the default.
    The text is the answer in the person's words.
    """

    kind: AnswerKind
    value: str = ""
    by: str = ""
    selected_option: Option | None = None
    text: str = ""


class Interviewer(Protocol):
    """A way to ask a person; `park` raises Parked."""

    async def ask(self, question: Question) -> Answer:
        """Ask a question, and wait for the answer."""
        ...

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask several questions, and return an answer to each."""
        ...

    async def inform(self, message: str, stage: str) -> None:
        """Show a message that needs no answer."""
        ...


def question_to_record(question: Question) -> dict[str, Json]:
    """Return the record of a question, without empty fields."""
    return {
        "id": question.id,
        "text": question.text,
        "kind": question.kind.value,
        "options": [_option_to_record(one) for one in question.options],
        "stage": question.stage,
        "deadline": question.deadline,
        **_said(
            {
                "default": question.default,
                "timeout_seconds": question.timeout_seconds,
                "metadata": dict(question.metadata),
                "within": [_within_to_record(one) for one in question.within],
            }
        ),
    }


def question_from_record(fields: Fields) -> Question:
    """Read a question from its record."""
    return Question(
        id=fields.text("id"),
        text=fields.text("text"),
        kind=fields.word("kind", QuestionKind),
        options=tuple(_option_from_record(one) for one in fields.inners("options")),
        stage=fields.text("stage"),
        deadline=fields.text("deadline"),
        default=_text(fields, "default"),
        timeout_seconds=(fields.real("timeout_seconds") if fields.has("timeout_seconds") else None),
        metadata=fields.members("metadata") if fields.has("metadata") else {},
        within=within_from_record(fields),
    )


def within_from_record(fields: Fields) -> tuple[EnclosingBranch, ...]:
    """Read the branches of a question from its record."""
    if not fields.has("within"):
        return ()
    return tuple(_within_from_record(one) for one in fields.inners("within"))


def answer_to_record(answer: Answer) -> dict[str, Json]:
    """Return the record of an answer, without empty fields."""
    option = answer.selected_option
    return {
        "kind": answer.kind.value,
        "value": answer.value,
        "by": answer.by,
        **_said(
            {
                "selected_option": _option_to_record(option) if option else None,
                "text": answer.text,
            }
        ),
    }


def answer_from_record(fields: Fields) -> Answer:
    """Read an answer from its record."""
    return Answer(
        fields.word("kind", AnswerKind),
        fields.text("value"),
        fields.text("by"),
        _option_from_record(fields.inner("selected_option"))
        if fields.has("selected_option")
        else None,
        _text(fields, "text"),
    )


def _said(members: Mapping[str, Json]) -> dict[str, Json]:
    return {
        name: one for name, one in members.items() if one is not None and one not in ("", {}, [])
    }


def _text(fields: Fields, name: str) -> str:
    return fields.text(name) if fields.has(name) else ""


def _within_to_record(within: EnclosingBranch) -> dict[str, Json]:
    record: dict[str, Json] = {"branch": within.key, "name": within.name, "node": within.node}
    if not within.index:
        return record
    return {**record, "index": within.index, "count": within.count, "item": within.item}


def _within_from_record(fields: Fields) -> EnclosingBranch:
    key, name, node = fields.text("branch"), fields.text("name"), fields.text("node")
    if not fields.has("index"):
        return EnclosingBranch(key, name, node)
    item = fields.all().get("item")
    return EnclosingBranch(key, name, node, item, fields.number("index"), fields.number("count"))


def _option_to_record(option: Option) -> dict[str, Json]:
    return {"key": option.key, "label": option.label}


def _option_from_record(fields: Fields) -> Option:
    return Option(fields.text("key"), fields.text("label"))


OF_CHILD = "/"
"""The separator between the id of an attempt and the id of its child's question."""


BESIDES = "#"
"""The separator between the id of an attempt and the name of one of its questions."""


def of_child(name: str, question: Question) -> Question:
    """Return a child's question with the id that it has in the parent run."""
    prefix = f"{name}{OF_CHILD}"
    within = tuple(replace(one, key=prefix + one.key) for one in question.within)
    return replace(question, id=prefix + question.id, within=within)


async def ask_each(interviewer: Interviewer, questions: Sequence[Question]) -> Sequence[Answer]:
    """Ask one question after the other."""
    return [await interviewer.ask(one) for one in questions]
