"""What a stage asks of pipelines that it runs as its children: linked runs of their own."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from pathlib import Path
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import NOTHING_USED, StageStatus, Usage
from attractor.engine.seams import Workspace
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
