"""The protocols and values through which the engine works with other rooms."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.context import Context
from attractor.engine.outcome import NOTHING_USED, Outcome, StageStatus, Usage
from attractor.engine.prompts.inherited_context import NOTHING_INHERITED, InheritedContext
from attractor.engine.questions.question import Interviewer, Question
from attractor.engine.state.branches import Branch, BranchEnd
from attractor.engine.state.identifiers import TreeId, stage_id
from attractor.engine.storage.artifacts import ArtifactStore
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.graph.branches import Fork
from attractor.language.graph.graph import Graph, Node

PATCH_LIMIT = 1 << 20
"""How many bytes of a patch people are shown."""


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

    async def patch(self, since: TreeId, until: TreeId, *, most: int = PATCH_LIMIT) -> str:
        """Return what leads from one tree to another, for people; one that is too long is cut."""
        ...

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        """Return the first bytes of what leads from one tree to another, as `git apply` takes it.

        Unless binary, of files that are no text it says only that they differ.
        """
        ...

    async def export(self, tree: TreeId, to: Path) -> None:
        """Write a tree's files into a folder."""
        ...

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "Workspace":
        """Return a dimension of the run by its name, made at a tree when it is new.

        A shared one works in this very folder, with an environment of its own.
        """
        ...

    async def discard(self, name: str) -> None:
        """Remove the folder of a dimension that nobody needs any more; its trees stay."""
        ...

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        """Make the folder one tree, or several put together that come from one base.

        Returns the paths that could not be put together; then nothing is changed.
        """
        ...

    async def close(self) -> None:
        """Give up what the workspace holds open; its folder and its store stay."""
        ...


class Emit(Protocol):
    """Records an event of one attempt."""

    def __call__(self, kind: str, **data: Json) -> None:
        """Write the event into the run's journal."""
        ...


class Spending(Protocol):
    """Counts what a stage uses of models, as it goes on."""

    def require_budget(self) -> None:
        """Halt the stage where a budget of the run is used up: asked before a model is called."""
        ...

    def use(self, usage: Usage) -> None:
        """Count what a call used as soon as it was answered, whatever becomes of the stage.

        The outcome of the stage may say all of it once more: it counts once.
        """
        ...


class Unlimited:
    """Lets a stage use what it likes."""

    def require_budget(self) -> None:
        """Let it go on."""

    def use(self, usage: Usage) -> None:
        """Count nothing."""


UNLIMITED = Unlimited()


class StageFiles(Protocol):
    """The one way to write into a stage folder: redacted, capped, whole."""

    def write(self, name: str, text: str) -> None:
        """Write a file whole."""
        ...

    def append(self, name: str, line: str) -> None:
        """Add a line to a file."""
        ...


class Branches(Protocol):
    """Walks the branches that begin at one attempt; a resumed one goes on where it was."""

    @property
    def fork(self) -> Fork | None:
        """Where the ways out of the node lead, and where they meet."""
        ...

    @property
    def at_once(self) -> int | None:
        """How many may be walked at the same time, where that is limited."""
        ...

    async def walk(self, branch: Branch, *, isolated: bool) -> BranchEnd:
        """Walk a branch to its end; isolated, it has a workspace of its own.

        One that has ended is not walked again. A walk that halts may be taken up later.
        """
        ...

    async def give_up(self, branch: Branch) -> BranchEnd:
        """Note that a branch is not wanted any more, which nobody walks now; one may have ended."""
        ...

    async def give_up_rest(self) -> None:
        """Give up every branch that began and has not ended: the attempt is over."""
        ...


@dataclass(frozen=True)
class Stage:
    """One attempt at a node: all that a handler or backend may touch.

    `since` is when the visit began, also after a crash; without `children` no pipeline can be run
    as part of it. With `is_shared`, others work in the workspace at the same time. `inherited` is
    what the stage gets of those before it.
    """

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
    branches: Branches
    children: "ChildRuns | None" = None
    clock: Clock = SystemClock()
    since: datetime = datetime.min.replace(tzinfo=UTC)
    is_shared: bool = False
    inherited: InheritedContext = NOTHING_INHERITED
    spending: Spending = UNLIMITED
    artifacts: ArtifactStore = field(default_factory=ArtifactStore)

    @property
    def id(self) -> str:
        """What the attempt goes by: no other attempt of the run has the same."""
        return stage_id(self.node.id, self.visit, self.attempt)


class Handler(Protocol):
    """Executes one node type."""

    async def execute(self, stage: Stage) -> Outcome:
        """Do the work of one attempt and say how it ended."""
        ...


@dataclass(frozen=True)
class Said:
    """Words of a model, and what they cost."""

    text: str
    usage: Usage = NOTHING_USED


class Backend(Protocol):
    """A way to do a codergen stage."""

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Do the work a prompt asks for; text alone is the response of a success."""
        ...

    async def answer(self, stage: Stage, prompt: str) -> Said | Outcome:
        """Answer a prompt with words alone, or say how that ended: nothing is touched."""
        ...

    async def steer(self, stage_id: str, text: str) -> bool:
        """Hand words to the stage in flight; tell whether it took them."""
        ...


class Halted(Exception):
    """The walk halts here, and no outcome is made of it: a resume does the stage again."""


class Parked(Halted):
    """Nobody is there to answer a question: it is to be left in the journal."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.text)
        self.question = question


class Waiting(Halted):
    """A question waits in the journal; the walk halts, and the others may go on."""


class Exhausted(Waiting):
    """A budget is used up: each walk halts after the stage it is at."""


class Stopped(Halted):
    """All walks are to halt: the run was canceled, or it cannot be recorded any more."""


@dataclass(frozen=True)
class Parts:
    """What every handler is built from; the secrets are inputs that no prompt may hold."""

    backend: Backend
    interviewer: Interviewer
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])


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

    def require_budget(self) -> None:
        """Halt the walk where one of them has used up a budget, with all its parts."""
        ...

    def is_paused(self) -> bool:
        """Tell whether one of them is paused: then no stage of this run begins."""
        ...
