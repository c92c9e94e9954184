"""One walk through the graph of a run, with everything that its stages need."""

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.prompts.fidelity import classes_around
from attractor.engine.prompts.inherited_context import Threads
from attractor.engine.questions.question import Interviewer
from attractor.engine.routing.branch_bounds import BranchBounds
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import ALONE, NOBODY, Branches, ChildRuns, Handler, ParentRun, Workspace
from attractor.engine.state.identifiers import MAIN, StageReference, stage_id
from attractor.engine.state.in_flight import InFlight
from attractor.engine.state.progress import Progress
from attractor.engine.state.walks import WalkState
from attractor.engine.walk.saved_conversations import KeptConversations
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Graph


@dataclass(frozen=True)
class WalkContext:
    """What all walks of a run share; `branch_out` makes the branches of an attempt.

    Without `children`, no pipeline can be run as part of it. The interviewer is asked what becomes
    of a stage that was interrupted. Conversations that were lost are taken up from what is `kept`.
    What is `above` are the runs that this one is part of.
    """

    run: OpenRun
    graph: Graph
    handlers: Mapping[str, Handler]
    forks: Forks
    branch_out: Callable[["WalkHandle", StageReference], Branches]
    children: ChildRuns | None = None
    budgets: Budgets = NO_BUDGETS
    interviewer: Interviewer = NOBODY
    kept: KeptConversations | None = None
    above: ParentRun = ALONE

    threads: Threads = field(default_factory=Threads)

    @cached_property
    def classes_around(self) -> Mapping[str, str]:
        """The class of the subgraph around each node, by which its thread may go."""
        return classes_around(self.graph)

    @cached_property
    def branch_bounds(self) -> BranchBounds:
        """Where the branches of each node lead."""
        return BranchBounds(self.graph, self.forks)

    def require_left(self) -> None:
        """Halt the walk where a budget of the run is used up, or of one that it is part of."""
        self.budgets.require_left(self.run)
        self.above.require_left()

    @property
    def is_paused(self) -> bool:
        """Whether no stage is to begin until somebody says so."""
        return self.run.state.is_paused or self.above.is_paused()

    def has_child(self, flight: InFlight | None) -> bool:
        """Tell whether a stage in flight began a child, with which it goes on."""
        if self.children is None or flight is None:
            return False
        return self.children.has(stage_id(flight.node, flight.visit, flight.attempt))

    def has_child_in(self, workspace: str) -> bool:
        """Tell whether children work in a workspace: they know best what it held."""
        strands = self.run.state.strands.values()
        return any(self.has_child(one.in_flight) for one in strands if one.workspace == workspace)


@dataclass(frozen=True)
class WalkHandle:
    """One walk: the key it goes by in the journal, and the workspace it works in.

    With `is_shared`, other walks work in the same workspace at the same time.
    """

    journey: WalkContext
    workspace: Workspace
    key: str = MAIN
    is_shared: bool = False

    @property
    def run(self) -> OpenRun:
        """The run it is part of."""
        return self.journey.run

    @property
    def graph(self) -> Graph:
        """What is walked."""
        return self.journey.graph

    @property
    def strand(self) -> WalkState:
        """Where it is."""
        return self.run.state.strands[self.key]

    @property
    def has_child(self) -> bool:
        """Whether the stage in flight began a child, with which it goes on."""
        return self.journey.has_child(self.strand.in_flight)

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return self.strand.progress

    def place(self, place: StageReference) -> StageReference:
        """Return a place in this walk."""
        return StageReference(place.node, place.visit, place.attempt, self.key or None)
