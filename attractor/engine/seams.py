"""What the engine asks of rooms on its own floor and above, and what it hands to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from attractor.base.canonical import Json
from attractor.engine.context import Context
from attractor.engine.outcome import Outcome
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.graph import Graph, Node

TreeId = str
"""The git id of a tree."""


@dataclass(frozen=True)
class Base:
    """What a run started from; stands in manifest.json."""

    commit: str
    tree: TreeId
    candidate: TreeId


class Workspace(Protocol):
    """A dimension: a folder, an index and a ref over the run's one object store."""

    @property
    def base(self) -> Base:
        """What it was made from."""
        ...

    @property
    def environment(self) -> ExecutionEnvironment:
        """The environment of the stage in flight; the runner opens and closes it for each stage."""
        ...

    async def snapshot(self, subject: str) -> TreeId:
        """Keep the folder as it is under its tree's id; the subject names the stage."""
        ...

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        """Make the folder a tree again; what it held besides goes aside when a place is given."""
        ...

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        """Return the paths in which two trees differ."""
        ...

    async def export(self, tree: TreeId, to: Path) -> None:
        """Write a tree's files into a folder."""
        ...

    async def close(self) -> None:
        """Give up what the workspace holds open; its folder and its store stay."""
        ...


class Emit(Protocol):
    """Records an event of one attempt."""

    def __call__(self, kind: str, **data: Json) -> None:
        """Write the event into the run's journal."""
        ...


class StageFiles(Protocol):
    """The one way to write into a stage folder: redacted, capped, whole."""

    def write(self, name: str, text: str) -> None:
        """Write a file whole."""
        ...

    def append(self, name: str, line: str) -> None:
        """Add a line to a file."""
        ...


@dataclass(frozen=True)
class Stage:
    """One attempt at a node: all that a handler or backend may touch."""

    node: Node
    graph: Graph
    context: Context
    logs_root: Path
    visit: int
    attempt: int
    labels: Sequence[str]
    files: StageFiles
    emit: Emit
    workspace: Workspace


class Handler(Protocol):
    """Executes one node type."""

    async def execute(self, stage: Stage) -> Outcome:
        """Do the work of one attempt and say how it ended."""
        ...


class Backend(Protocol):
    """A way to do a codergen stage."""

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Do the work a prompt asks for; text alone is the response of a success."""
        ...

    async def steer(self, stage_id: str, text: str) -> bool:
        """Hand words to the stage in flight; tell whether it took them."""
        ...


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
class Question:
    """What a person is asked; the id names node, visit and attempt."""

    id: str
    text: str
    kind: QuestionKind
    options: Sequence[Option]
    stage: str
    deadline: str = ""


class AnswerKind(StrEnum):
    """How a question was met."""

    GIVEN = "given"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Answer:
    """What came back, and from whom."""

    kind: AnswerKind
    value: str = ""
    by: str = ""


class Parked(Exception):
    """The question waits in the checkpoint; the walk ends and holds no process."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.text)
        self.question = question


class Interviewer(Protocol):
    """A way to ask a person; `park` raises Parked."""

    async def ask(self, question: Question) -> Answer:
        """Ask, and wait for the answer."""
        ...

    async def inform(self, message: str, stage: str) -> None:
        """Tell a person something that wants no answer."""
        ...


@dataclass(frozen=True)
class Parts:
    """What every handler is built from."""

    backend: Backend
    interviewer: Interviewer
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
