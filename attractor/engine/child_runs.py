"""What a stage asks of pipelines that it runs as its children: linked runs of their own.

What holds for a run because it is part of another one.

Who asks people where nobody was said to be there: every question waits.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from pathlib import Path
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.interfaces import Parked, Workspace
from attractor.engine.outcome import NOTHING_USED, StageStatus, Usage
from attractor.engine.questions.question import Answer, Interviewer, Question
from attractor.language.graph.graph import Graph


@dataclass(frozen=True)
class Child:
    """A pipeline that is to be run; the name is that of its folder among the children of the run.

    The file stands beside the pipeline that names it, as prompt files do. With `is_shared`, others
    work in its workspace at the same time.
    """

    name: str
    file: str
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    is_shared: bool = False


@dataclass(frozen=True)
class ChildEnd:
    """How a child ended: with what in its context, and at what cost."""

    status: StageStatus
    reason: str = ""
    context: Mapping[str, Json] = field(default_factory=dict[str, Json])
    usage: Usage = NOTHING_USED


@dataclass(frozen=True)
class Telemetry:
    """What is seen of a child from outside: where it is, how it came there, what it said last."""

    status: str
    outcome: str = ""
    reason: str = ""
    node: str = ""
    completed: int = 0
    retries: int = 0
    last_outcome: str = ""
    last_response: str = ""
    cost_usd: float = 0.0


class ChildRun(Protocol):
    """A child at work."""

    @property
    def run_id(self) -> str:
        """What it goes by."""
        ...

    @property
    def directory(self) -> Path:
        """Where its run directory is."""
        ...

    @property
    def graph(self) -> Graph:
        """What it walks."""
        ...

    def telemetry(self) -> Telemetry:
        """Return how far it has come."""
        ...

    async def steer(self, text: str) -> bool:
        """Hand words to the stages that are at work, and keep them there; tell if one took them."""
        ...

    async def wait(self) -> ChildEnd:
        """Wait until it ends; Halted is raised where it halts before, to be taken up later.

        Whoever stops waiting may wait again.
        """
        ...

    async def stop(self, why: str) -> ChildEnd:
        """End it for good, unless it has ended."""
        ...


class ChildRuns(Protocol):
    """Runs the children of one run."""

    def has(self, name: str) -> bool:
        """Tell whether a child of that name began."""
        ...

    def start(
        self, child: Child, workspace: Workspace
    ) -> AbstractAsyncContextManager[ChildRun, bool | None]:
        """Start a child, or take up the one of its name; it is at work until it is left.

        UsageError is raised when it cannot begin as it is written, or with these inputs.
        """
        ...


class ParentRun(Protocol):
    """The runs that a run is part of."""

    def require_left(self) -> None:
        """Halt the walk where one of them has used up a budget, with all its parts."""
        ...

    def is_paused(self) -> bool:
        """Tell whether one of them is paused: then no stage of this run begins."""
        ...


class Alone:
    """A run that is part of nothing."""

    def require_left(self) -> None:
        """Let it go on."""

    def is_paused(self) -> bool:
        """Nobody above can be."""
        return False


ALONE = Alone()


class Absent:
    """An interviewer that leaves every question in the journal."""

    async def ask(self, question: Question) -> Answer:
        """Park the question."""
        raise Parked(question)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Park the first of the questions."""
        return [await self.ask(one) for one in questions]

    async def inform(self, message: str, stage: str) -> None:
        """Tell nobody."""


NOBODY: Interviewer = Absent()
