"""What the engine asks of rooms on its own floor and above, and what it hands to them.

How much a stage is told of those before it, and in which thread: pure (attractor-spec 5.4).

A thread is the name under which stages share one conversation. Only `full` fidelity has one.

The conversations of a run that this process holds, by thread: what `full` fidelity goes on with.

A branch goes on with a copy of what the walk around it had, and nobody goes on with that of a
branch. What is not held here, after a resume for one, is lost: the stage is told so, unless it is
taken up again from the disk.

What a stage gets of those before it: a text, and under `full` fidelity a conversation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.artifacts import ArtifactStore
from attractor.engine.context import Context
from attractor.engine.outcome import NOTHING_USED, Outcome, StageStatus, Usage
from attractor.engine.prompts.preamble import Remembered, write_news, write_preamble
from attractor.engine.questions.question import Interviewer, Question
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.graph.attribute_catalogue import (
    DEFAULT_FIDELITY,
    Fidelity,
    resolve_fidelity,
)
from attractor.language.graph.branches import Fork
from attractor.language.graph.graph import Graph, Node
from attractor.language.graph.resolve import derived_class

if TYPE_CHECKING:
    from attractor.engine.child_runs import ChildRuns


DEGRADED = Fidelity.SUMMARY_HIGH
"""What takes the place of `full` where the conversation is lost (attractor-spec 5.3)."""


@dataclass(frozen=True)
class Arrival:
    """How a walk came to a stage: over an edge that may say something, and from where.

    `previous` is the node before it, and `thread` the one that the last stage with a model was in.
    """

    previous: str = ""
    thread: str = ""
    edge_fidelity: str = ""
    edge_thread: str = ""


@dataclass(frozen=True)
class Resolved:
    """How much a stage is told, and its thread; `full` alone has one."""

    fidelity: Fidelity = DEFAULT_FIDELITY
    thread: str = ""


def resolve(graph: Graph, node: Node, arrival: Arrival, around: Mapping[str, str]) -> Resolved:
    """Return what holds for a stage; `around` has the class of the subgraph around each node."""
    fidelity = resolve_fidelity(graph, node, arrival.edge_fidelity)
    if fidelity is not Fidelity.FULL:
        return Resolved(fidelity)
    return Resolved(fidelity, resolve_thread(graph, node, arrival, around))


def resolve_thread(graph: Graph, node: Node, arrival: Arrival, around: Mapping[str, str]) -> str:
    """Return the thread of a stage: its node's, its edge's, the graph's, or a derived one.

    Where nothing names one, the thread of the stage before it goes on; when that had none, one by
    the name of the node before it begins.
    """
    return (
        node.attributes.text("thread_id")
        or arrival.edge_thread
        or graph.attributes.text("thread_id")
        or around.get(node.id)
        or arrival.thread
        or arrival.previous
        or node.id
    )


def classes_around(graph: Graph) -> Mapping[str, str]:
    """Return the class that the nearest subgraph with a label gives each node within it."""
    classes: list[str] = []
    around: dict[str, str] = {}
    for subgraph in graph.subgraphs:
        above = classes[subgraph.parent] if subgraph.parent >= 0 else ""
        classes.append(derived_class(subgraph.label) or above)
        if classes[-1]:
            around.update(dict.fromkeys(subgraph.nodes, classes[-1]))
    return around


MOST_HELD = 100
"""How many conversations are held; the one that was used longest ago is let go first."""


@dataclass
class _Held:
    """One conversation, and as it was when the visit began that works on it now."""

    conversation: object | None = None
    before: object | None = None
    visit: str = ""


class Thread:
    """The conversation that a stage takes part in; what it is made of is the backend's business."""

    def __init__(self, name: str, held: _Held | None = None) -> None:
        self.name = name
        self._held = held or _Held()

    def recall(self) -> object | None:
        """Return the conversation as the last stage of the thread left it, if there is one."""
        return self._held.conversation

    def keep(self, conversation: object) -> None:
        """Leave the conversation for the next stage: a value that nobody changes any more."""
        self._held.conversation = conversation

    def give_back(self, conversation: object) -> None:
        """Take up what was lost: it is what the visit at work begins with, at each attempt."""
        self._held.conversation = self._held.before = conversation


class Threads:
    """All conversations of one run; a walk is named by its key, then those that it left."""

    def __init__(self, *, most: int = MOST_HELD) -> None:
        self._most = most
        self._held: dict[tuple[str, str], _Held] = {}

    def take(
        self, name: str, walks: Sequence[str], *, visit: str, starts_over: bool = False
    ) -> Thread:
        """Return the thread for an attempt; one that starts over finds it as its visit did."""
        own = (walks[0], name)
        held = self._held.pop(own, None) or _Held(self._around(name, walks))
        if held.visit != visit:
            held.before, held.visit = held.conversation, visit
        elif starts_over:
            held.conversation = held.before
        self._held[own] = held
        while len(self._held) > self._most:
            del self._held[next(iter(self._held))]
        return Thread(name, held)

    def forget(self, walk: str) -> None:
        """Let go of what a walk that is over talked about."""
        for key in [one for one in self._held if one[0] == walk]:
            del self._held[key]

    def _around(self, name: str, walks: Sequence[str]) -> object | None:
        found = (self._held.get((walk, name)) for walk in walks[1:])
        return next((one.conversation for one in found if one and one.conversation), None)


@dataclass(frozen=True)
class InheritedContext:
    """How much a stage is told, and the thread it takes part in, if it does in one.

    A thread outlives its stage: a backend goes on with what it recalls, and keeps what it came to.
    """

    fidelity: Fidelity = DEFAULT_FIDELITY
    thread: Thread | None = None
    remembered: Remembered = field(default_factory=Remembered)

    @cached_property
    def preamble(self) -> str:
        """What stands before the prompt: in a conversation that goes on, only what is new."""
        if self.fidelity is not Fidelity.FULL:
            return write_preamble(self.fidelity, self.remembered)
        if self.thread is None or self.thread.recall() is None:
            return self.summary
        return write_news(self.thread.name, self.remembered)

    @cached_property
    def summary(self) -> str:
        """What takes the place of a conversation, or of its older part."""
        return write_preamble(DEGRADED, self.remembered)


NOTHING_CARRIED = InheritedContext()
"""What a stage gets that is told nothing."""


TreeId = str
"""The git id of a tree."""

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

    def require_left(self) -> None:
        """Halt the stage where a budget of the run is used up: asked before a model is called."""
        ...

    def use(self, usage: Usage) -> None:
        """Count what a call used as soon as it was answered, whatever becomes of the stage.

        The outcome of the stage may say all of it once more: it counts once.
        """
        ...


class Unlimited:
    """Lets a stage use what it likes."""

    def require_left(self) -> None:
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


@dataclass(frozen=True)
class Branch:
    """A walk of its own through a part of the graph: from a node to the node where branches meet.

    `updates` are what its context has besides that of the stage it begins at.
    """

    name: str
    start: str
    until: str
    updates: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True)
class BranchEnd:
    """How a branch came to its end; `updates` are what its stages wrote into its context.

    The key is what it goes by in the journal: no other branch of the run has the same.
    """

    name: str
    key: str
    status: StageStatus
    reason: str = ""
    notes: str = ""
    response: str = ""
    updates: Mapping[str, Json] = field(default_factory=dict[str, Json])
    changed: Sequence[str] = ()
    base: TreeId = ""
    tree: TreeId = ""
    usage: Usage = NOTHING_USED
    seconds: float = 0.0
    is_canceled: bool = False


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
    as part of it. With `is_shared`, others work in the workspace at the same time. `carried` is
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
    carried: InheritedContext = NOTHING_CARRIED
    spending: Spending = UNLIMITED
    artifacts: ArtifactStore = field(default_factory=ArtifactStore)

    @property
    def id(self) -> str:
        """What the attempt goes by: no other attempt of the run has the same."""
        return stage_id(self.node.id, self.visit, self.attempt)


def stage_id(node: str, visit: int, attempt: int) -> str:
    """Return what an attempt goes by, in a question and towards a backend."""
    return f"{node}@{visit}.{attempt}"


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
