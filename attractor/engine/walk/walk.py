"""One walk through the graph of a run, with all that its stages need."""

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.engine.budgets import Budgets
from attractor.engine.prompts.inherited_context import Threads, subgraph_classes
from attractor.engine.questions.call_rules import SANDBOX_LIMITS, CallPermissions
from attractor.engine.questions.question import Interviewer
from attractor.engine.routing.next_move import NO_BOUNDS, Bounds
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Branches, ChildRuns, Handler, ParentRun, Suspended, Workspace
from attractor.engine.state.attempts import MAIN, InFlight, StageReference
from attractor.engine.state.progress import Progress
from attractor.engine.state.walks import WalkState
from attractor.engine.walk.saved_conversations import Rebuild, SavedConversations
from attractor.engine.walk.waits import RunWaits
from attractor.language.graph.graph import Graph

StartBranches = Callable[["Walk", StageReference], Branches]
"""Type of a function that makes the branches of one attempt in a walk."""


@dataclass(frozen=True)
class Walk:
    """One walk of a run: the walk from the start, or the walk of a branch.

    `key` identifies the walk in the journal. `bounds` limit a branch. With `is_shared`, other walks
    use the same workspace at the same time. Without `children`, no stage can run a child pipeline.
    Without an interviewer, the question about an interrupted stage waits in the journal. Without
    `saved_conversations`, a conversation is lost when its process ends. `waits` is shared by all
    walks of the run. `permissions` say whether people are asked about tool calls, and `rebuild`
    restores the conversation of an agent that waited for an answer.
    """

    run: OpenRun
    graph: Graph
    handlers: Mapping[str, Handler]
    workspace: Workspace
    start_branches: StartBranches
    waits: RunWaits
    key: str = MAIN
    bounds: Bounds = NO_BOUNDS
    is_shared: bool = False
    budgets: Budgets = field(default_factory=Budgets)
    children: ChildRuns | None = None
    parent: ParentRun | None = None
    interviewer: Interviewer | None = None
    saved_conversations: SavedConversations | None = None
    threads: Threads = field(default_factory=Threads)
    permissions: CallPermissions = SANDBOX_LIMITS
    rebuild: Rebuild | None = None

    @property
    def state(self) -> WalkState:
        """The state of the walk, computed from the journal."""
        return self.run.state.walks[self.key]

    @property
    def progress(self) -> Progress:
        """The progress of the walk."""
        return self.state.progress

    @cached_property
    def subgraph_classes(self) -> Mapping[str, str]:
        """The class of the subgraph around each node; the class can name the thread of the node."""
        return subgraph_classes(self.graph)

    def reference(self, node: str, visit: int, attempt: int) -> StageReference:
        """Return the node, visit, attempt and branch that the events of an attempt record."""
        return StageReference(node, visit, attempt, self.key or None)

    def require_budget(self) -> None:
        """Halt the walk if a budget of the run, or of a parent run, is exhausted.

        Also halt it if another process is to continue the run.
        """
        self.budgets.require_remaining(self.run)
        if why := self.run.leaves:
            raise Suspended(why)
        if self.parent:
            self.parent.require_budget()

    @property
    def is_paused(self) -> bool:
        """Whether the run or a parent run is paused."""
        return self.run.state.is_paused or (self.parent is not None and self.parent.is_paused())

    @property
    def has_child(self) -> bool:
        """Whether the stage in flight has started a child pipeline, which a resume continues."""
        return self._has_child(self.state.in_flight)

    def has_child_in(self, workspace: str) -> bool:
        """Return whether a child pipeline uses a workspace and therefore restores it."""
        walks = self.run.state.walks.values()
        return any(self._has_child(walk.in_flight) for walk in walks if walk.workspace == workspace)

    def _has_child(self, flight: InFlight | None) -> bool:
        return bool(self.children and flight and self.children.has(flight.id))
