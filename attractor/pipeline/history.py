"""What happened in a run, as values: visits, failures, branches, children, interruptions."""

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime

from attractor.base.dataclasses import dataclass
from attractor.engine.state.progress import Move, Visit


@dataclass(frozen=True)
class Way:
    """An edge that could have been taken, and what became of it."""

    target: str
    condition: str
    fate: str


@dataclass(frozen=True)
class Choice:
    """Where the walk went after a visit, what decided it, and the edges there were."""

    target: str
    reason: str
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True)
class Made:
    """A visit that came to its end, in the walk from the start or in a branch."""

    visit: Visit
    move: Move
    branch: str = ""
    choices: tuple[Choice, ...] = ()

    @property
    def node(self) -> str:
        """Which node was visited."""
        return self.visit.node

    def __str__(self) -> str:
        return f"{self.visit.node}@{self.visit.number}"


@dataclass(frozen=True)
class Failure:
    """An attempt that failed, or wanted to be tried again."""

    node: str
    visit: int
    attempt: int
    error: str
    will_retry: bool


@dataclass(frozen=True)
class BranchEnd:
    """How a branch of a visit ended; one that was not needed any more did not fail."""

    key: str
    name: str
    node: str
    visit: int
    reason: str
    has_failed: bool


@dataclass(frozen=True)
class ChildRun:
    """A pipeline that a visit ran as a run of its own."""

    node: str
    visit: int
    run_id: str
    directory: str


@dataclass(frozen=True)
class Note:
    """Something that is worth a line: when it was, and what."""

    time: datetime
    words: str


@dataclass
class History:
    """All of it, each kind in the order in which it happened.

    `waited` is how many seconds people were waited for, and nothing else was done.
    """

    visits: list[Made] = field(default_factory=list[Made])
    failures: list[Failure] = field(default_factory=list[Failure])
    branches: list[BranchEnd] = field(default_factory=list[BranchEnd])
    children: list[ChildRun] = field(default_factory=list[ChildRun])
    assumed: list[str] = field(default_factory=list[str])
    interruptions: list[Note] = field(default_factory=list[Note])
    not_kept: list[str] = field(default_factory=list[str])
    waited: float = 0.0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def main(self) -> Sequence[Made]:
        """The visits of the walk from the start."""
        return [one for one in self.visits if not one.branch]

    def path(self) -> Sequence[str]:
        """Return the nodes that the walk from the start visited."""
        return [one.node for one in self.main]
