"""The protocols and values between the engine and other rooms."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.engine.context import Context
from attractor.engine.outcome import NOTHING_USED, Outcome, StageStatus, Usage
from attractor.engine.prompts.inherited_context import NOTHING_INHERITED, InheritedContext
from attractor.engine.questions.call_rules import AskedCall
from attractor.engine.questions.question import Interviewer, Question
from attractor.engine.state.attempts import TreeId, stage_id
from attractor.engine.state.run_state import Wait
from attractor.engine.state.walks import Branch, BranchEnd
from attractor.engine.storage.artifacts import ArtifactStore
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.graph.branches import Fork
from attractor.language.graph.graph import Graph, Node

PATCH_LIMIT = 1 << 20
"""The default maximum size in bytes of a patch for people."""


@dataclass(frozen=True)
class Base:
    """The start of a run, as in manifest.json: a commit, the tree of the commit, and the tree to
    work on.
    """

    commit: str
    tree: TreeId
    candidate: TreeId


class Workspace(Protocol):
    """A dimension: a folder, a git index and a git ref, over the object store of the run."""

    @property
    def base(self) -> Base:
        """The commit and the trees at the start of the run."""
        ...

    @property
    def sets_back(self) -> bool:
        """Whether a resume and a retry restore the folder; that of a person is left as it is."""
        ...

    @property
    def environment(self) -> ExecutionEnvironment:
        """The environment of the stage in flight; the engine opens and closes it for each stage."""
        ...

    async def snapshot(self, subject: str) -> TreeId:
        """Store the content of the folder as a tree, and return the tree; `subject` names the
        stage.
        """
        ...

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        """Restore the folder to a tree; move other files to `set_aside` (default: remove)."""
        ...

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        """Return the paths that differ between two trees."""
        ...

    async def patch(self, since: TreeId, until: TreeId, *, most: int = PATCH_LIMIT) -> str:
        """Return the patch between two trees for people, truncated to `most` bytes."""
        ...

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        """Return the first bytes of the patch between two trees, in the format of `git apply`.

        Without `binary`, the patch only reports that binary files differ.
        """
        ...

    async def export(self, tree: TreeId, to: Path, *, repository: bool = False) -> None:
        """Write the files of a tree into a folder.

        With `repository`, the folder gets a `.git` if the workspace has one.
        """
        ...

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "Workspace":
        """Return the dimension with a name; a new dimension is made from a tree.

        A shared dimension uses this folder, but has its own environment.
        """
        ...

    async def discard(self, name: str) -> None:
        """Remove the folder of a dimension; its trees remain in the object store."""
        ...

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        """Merge the changes of trees since their base into the folder, and keep other paths.

        Return the conflicting paths; if there are conflicts, nothing is changed.
        """
        ...

    async def close(self) -> None:
        """Close the workspace; its folder and its store stay."""
        ...


class Emit(Protocol):
    """Records an event of one attempt."""

    def __call__(self, kind: str, **data: Json) -> None:
        """Write an event into the journal of the run."""
        ...


class Spending(Protocol):
    """Counts the model usage of a stage while the stage runs."""

    def require_budget(self) -> None:
        """Halt the stage if a budget of the run is exhausted; called before each model call."""
        ...

    def use(self, usage: Usage) -> None:
        """Count the usage of a model call now, so that the usage counts even if the stage fails.

        The outcome of the stage can include the same usage; such usage is not counted twice.
        """
        ...

    def call(self, estimate: Usage) -> AbstractContextManager[None]:
        """Record that a model call begins, which ends with the context.

        If the process is killed within the context, a resume counts the estimate.
        """
        ...


class Unlimited:
    """Counts nothing and never halts, for stages without a run."""

    def require_budget(self) -> None:
        """Do nothing."""

    def use(self, usage: Usage) -> None:
        """Count nothing."""

    def call(self, estimate: Usage) -> AbstractContextManager[None]:
        """Record nothing."""
        return nullcontext()


UNLIMITED = Unlimited()


class Waits(Protocol):
    """Lets a stage wait for something other than a person."""

    def waiting(self, wait: Wait, words: str = "") -> AbstractAsyncContextManager[None]:
        """Stop the time limits of the stage within the context; `words` describe the wait.

        If no stage of the run works, the run has the status `waiting`.
        """
        ...

    def time_limit(
        self, limit: timedelta | None
    ) -> AbstractAsyncContextManager[asyncio.Timeout, bool | None]:
        """Return a time limit that does not count waits; None means no limit."""
        ...


class NoWaits:
    """Records no wait, for stages without a run."""

    def waiting(self, wait: Wait, words: str = "") -> AbstractAsyncContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def time_limit(self, limit: timedelta | None) -> asyncio.Timeout:
        """Return a time limit."""
        return asyncio.timeout(limit.total_seconds() if limit else None)


NO_WAITS = NoWaits()


@dataclass(frozen=True)
class Verdict:
    """Whether a tool call may be made, and why not, in words for the agent.

    `command` is the one that a person wrote in place of the agent's.
    """

    is_allowed: bool
    words: str = ""
    command: str = ""


WITHDRAWN = "withdrawn"
"""The message that cancels a question about a tool call which the agent gave up."""


class Approvals(Protocol):
    """Asks a person about the tool calls of an attempt.

    `was_parked` is true if an earlier process left a question, and the conversation of its agent.
    """

    was_parked: bool

    async def ask(self, call: AskedCall) -> Verdict:
        """Return whether a call may be made; raise Parked if no person answers in time."""
        ...

    def news(self) -> str:
        """Return what people answered while no process worked, for the agent."""
        ...

    def end(self) -> None:
        """Record the answers that were not used, because the attempt has ended."""
        ...


class StageFiles(Protocol):
    """The files of an attempt.

    Each file is redacted, limited in size, and never visible half-written.
    """

    def write(self, name: str, text: str, *, is_private: bool = False) -> bytes:
        """Write a whole file, and return its content; only the operator can read a private file."""
        ...

    def append(self, name: str, line: str) -> None:
        """Append a line to a file."""
        ...


class Branches(Protocol):
    """Runs the branches that begin at one attempt; after a resume, a branch continues."""

    @property
    def fork(self) -> Fork | None:
        """The targets of the node's edges, and the node where the branches meet."""
        ...

    @property
    def at_once(self) -> int | None:
        """The maximum number of branches that run at the same time; None means no limit."""
        ...

    async def walk(self, branch: Branch, *, isolated: bool) -> BranchEnd:
        """Run a branch to its end; an isolated branch has its own workspace.

        A branch that has ended is not run again. A branch that halts can be resumed.
        """
        ...

    async def give_up(self, branch: Branch) -> BranchEnd:
        """Cancel a branch that is not running; a branch that has ended is not changed."""
        ...

    async def give_up_rest(self) -> None:
        """Cancel every branch that has begun and not ended, because the attempt has ended."""
        ...


@dataclass(frozen=True)
class Stage:
    """One attempt at a node, with everything that a handler or a backend can use.

    `since` is the start of the visit, and stays the same after a crash. Without `children`, the
    stage can run no child pipeline. With `is_shared`, other walks use the workspace at the same
    time. `inherited` is the context from earlier stages. `last_attempt` is a paragraph for the
    prompt about the attempt before this one, empty for the first attempt of a visit. Without
    `approvals`, the sandbox alone limits the tool calls of an agent. `redact` removes secrets from
    a text.
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
    last_attempt: str = ""
    inherited: InheritedContext = NOTHING_INHERITED
    spending: Spending = UNLIMITED
    waits: Waits = NO_WAITS
    artifacts: ArtifactStore = field(default_factory=ArtifactStore)
    approvals: "Approvals | None" = None
    redact: Callable[[str], str] = str

    @property
    def id(self) -> str:
        """The unique id of the attempt."""
        return stage_id(self.node.id, self.visit, self.attempt)


class Handler(Protocol):
    """Executes one node type."""

    async def execute(self, stage: Stage) -> Outcome:
        """Do the work of one attempt, and return its outcome."""
        ...


@dataclass(frozen=True)
class ModelAnswer:
    """The answer of a model, and its usage."""

    text: str
    usage: Usage = NOTHING_USED


class Backend(Protocol):
    """A way to do the work of a codergen stage."""

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Do the work of a prompt.

        If the model only answers in text, the text is the response of a success.
        """
        ...

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        """Answer a prompt in text, without tools or files, or return a failed outcome."""
        ...

    async def steer(self, stage_id: str, text: str) -> bool:
        """Pass a message to the running stage; return whether the stage accepted the message."""
        ...


class StageMemory(Protocol):
    """The lessons of the project, as a stage may use them."""

    def recall(self, stage: Stage, prompt: str) -> str:
        """Return a paragraph of lessons for a prompt: the same one for each start of a visit."""
        ...

    def propose(self, stage: Stage, arguments: JsonObject) -> str:
        """Record the lesson that an agent proposes, and return an answer for the agent."""
        ...


class Halted(Exception):
    """The walk halts without an outcome; a resume repeats the current stage."""


class Parked(Halted):
    """No person is available to answer a question, so the question waits in the journal."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.text)
        self.question = question


class Waiting(Halted):
    """A question waits in the journal: this walk halts, while other walks continue."""


class Suspended(Waiting):
    """The run stops, to be resumed later."""


class Exhausted(Suspended):
    """A budget is exhausted: each walk halts after its current stage."""


class SessionLost(Suspended):
    """A run cannot continue the session of another run, and has no summary that replaces it."""

    def __init__(self, run_id: str, why: str) -> None:
        afresh = f"begin afresh with: attractor agent --run {run_id} --fresh TASK"
        super().__init__(f"{LOST_SESSION}: {why} ({afresh})")


LOST_SESSION = "the session to continue is lost"
"""The beginning of the reason why a run stops that cannot continue the session of another run."""


def require_summary(inherited: InheritedContext, why: str) -> str:
    """Return the summary that replaces a lost conversation; without earlier stages, stop the run.

    The first stage of a run has only lost a conversation of another run.
    """
    if inherited.summary:
        return inherited.summary
    raise SessionLost(inherited.remembered.run_id, why)


class Stopped(Halted):
    """All walks halt, because the run was canceled or cannot be recorded."""


@dataclass(frozen=True)
class TrainChoice:
    """A choice of train scenarios of a suite (default: the suite of the run).

    Scenarios with one of the tags, and scenarios with one of the ids, are chosen; without both,
    all train scenarios.
    """

    suite: str = ""
    tags: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlayedTrain:
    """A train scenario that was played, with the output of its steps and checks."""

    scenario: str
    satisfied: bool
    text: str


PlayTrain = Callable[[Workspace, TreeId, TrainChoice], AsyncIterator[PlayedTrain]]
"""Type of a function that plays train scenarios on a tree; it never plays a holdout.

The function raises UsageError if the choice is invalid.
"""


def _takes_none(_: Node) -> bool:
    return False


@dataclass(frozen=True)
class Parts:
    """The parts that every handler is built from.

    Values of `secrets` must not appear in prompts. `project` is the folder of the project, not the
    workspace of the run. `task_note` ends the prompt of each task for an agent. `search_path` is
    the PATH of the operator. `takes_receipts` returns whether an agent does the work of a node;
    simulations and callbacks do not take receipts. The `memory` has the lessons of the project.
    """

    backend: Backend
    interviewer: Interviewer
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    play_train: PlayTrain | None = None
    project: Path | None = None
    task_note: str = ""
    search_path: str = ""
    takes_receipts: Callable[[Node], bool] = _takes_none
    memory: StageMemory | None = None


@dataclass(frozen=True)
class Child:
    """A pipeline to run as a child run.

    `name` is the folder of the child below `children/` of the run. `file` is relative to the
    pipeline that names the child. With `is_shared`, other walks use the child's workspace at the
    same time.
    """

    name: str
    file: str
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    is_shared: bool = False


@dataclass(frozen=True)
class ChildEnd:
    """The end of a child run, with final context and usage."""

    status: StageStatus
    reason: str = ""
    context: Mapping[str, Json] = field(default_factory=dict[str, Json])
    usage: Usage = NOTHING_USED


@dataclass(frozen=True)
class Telemetry:
    """The state of a child run for the parent: status, current node, last outcome.

    The fields are the keys that conditions use (`stack.child.status`).
    """

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
    """A running child."""

    @property
    def run_id(self) -> str:
        """The id of the child run."""
        ...

    @property
    def directory(self) -> Path:
        """The run directory of the child."""
        ...

    @property
    def graph(self) -> Graph:
        """The graph of the child."""
        ...

    def telemetry(self) -> Telemetry:
        """Return the current state of the child."""
        ...

    async def steer(self, text: str) -> bool:
        """Pass a message to the running stages, and save the message.

        Return whether a stage accepted the message.
        """
        ...

    async def wait(self) -> ChildEnd:
        """Wait for the end of the child; raise Halted if the child halts, to be resumed later.

        A canceled wait can be repeated.
        """
        ...

    async def stop(self, why: str) -> ChildEnd:
        """Cancel the child, unless the child has ended."""
        ...


class ChildRuns(Protocol):
    """Runs the child runs of one run."""

    def has(self, name: str) -> bool:
        """Return whether a child with that name has started."""
        ...

    def start(
        self, child: Child, workspace: Workspace
    ) -> AbstractAsyncContextManager[ChildRun, bool | None]:
        """Start or resume the child with a name; leaving the context halts the child.

        Raise UsageError if the child or its inputs are invalid.
        """
        ...


class ParentRun(Protocol):
    """The parent of a run, and the parents of this parent."""

    def require_budget(self) -> None:
        """Halt the walk if a parent run (including its child runs) has exhausted a budget."""
        ...

    def is_paused(self) -> bool:
        """Return whether a parent run is paused.

        While a parent run is paused, no stage of this run begins.
        """
        ...


Steer = Callable[[str, str], Awaitable[bool]]
"""Type of a function that passes a message to the running stage with an id.

The function returns whether the stage accepted the message.
"""
