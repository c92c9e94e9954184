"""What people are asked and what they answer, and what every way to ask them can do."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json


class QuestionKind(StrEnum):
    """What sort of answer is wanted (attractor-spec 6.2)."""

    YES_NO = "yes_no"
    MULTIPLE_CHOICE = "multiple_choice"
    FREEFORM = "freeform"
    CONFIRMATION = "confirmation"


@dataclass(frozen=True)
class Option:
    """One choice."""

    key: str
    label: str


@dataclass(frozen=True)
class Within:
    """A branch that something is asked in; where one is walked for each item, which item it is.

    The key is what events call it, the name what it goes by at the node that it leaves; items count
    from 1.
    """

    key: str
    name: str
    node: str = ""
    item: Json = None
    index: int = 0
    count: int = 0


@dataclass(frozen=True)
class Question:
    """What a person is asked; the id names node, visit and attempt (attractor-spec 6.2).

    A stage that asks more than one adds to its id: `gate@1.1#name`. The default is what is said
    when time runs out, or by Enter. `targets` in the metadata are other words for the options. The
    run itself says `within` which branches it is asked, from the outermost on.
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
    within: Sequence[Within] = ()


class AnswerKind(StrEnum):
    """How a question was met."""

    GIVEN = "given"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Answer:
    """What came back, and from whom (attractor-spec 6.3).

    The value is the key of an option, `yes` or `no`, or the words themselves; that of a time-out is
    the question's default. The text is what was said, as it was said.
    """

    kind: AnswerKind
    value: str = ""
    by: str = ""
    selected_option: Option | None = None
    text: str = ""


class Interviewer(Protocol):
    """A way to ask a person; `park` raises Parked."""

    async def ask(self, question: Question) -> Answer:
        """Ask, and wait for the answer."""
        ...

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask several things, and return an answer to each."""
        ...

    async def inform(self, message: str, stage: str) -> None:
        """Tell a person something that wants no answer."""
        ...
