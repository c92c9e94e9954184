"""What a walk sees of its run: where it is itself, and what it shares with the other walks.

Where branches of a node lead in a graph, and what none of them may come to (ruling R6).

Finds conversations that ended with their process, where the stages left them on the disk (R11).

Which stage a thread was last spoken in is read from the journal, once, when a run is taken up. What
a stage left is made into a conversation again by the backend that wrote it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileTrouble
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import parse_json
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.child_runs import ALONE, NOBODY, ChildRuns, ParentRun
from attractor.engine.errors import ConversationLost
from attractor.engine.interfaces import (
    Branches,
    Handler,
    Threads,
    Workspace,
    classes_around,
    stage_id,
)
from attractor.engine.journal.events import CheckpointSaved, StageReference
from attractor.engine.json_files import Fields, read_foreign
from attractor.engine.questions.question import Interviewer
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.stage.execution import folder_of_attempt
from attractor.engine.stage.stage_files import LARGEST_FILE
from attractor.engine.state.branch_state import MAIN, WalkState
from attractor.engine.state.progress import InFlight, Progress
from attractor.language.graph.branches import Fork, Forks
from attractor.language.graph.graph import Edge, Graph
from attractor.language.graph.paths import failure_targets, reached_from, targets, targets_and_jumps


class BranchBounds:
    """The forks of one graph and what is outside of their branches, each found out once."""

    def __init__(self, graph: Graph, forks: Forks) -> None:
        self._graph = graph
        self._forks = forks
        self._known: dict[str, Fork | None] = {}
        self._outside: dict[str, frozenset[str]] = {}

    def fork(self, node: str) -> Fork | None:
        """Return the fork at a node that a run can come to: by edges, or only after a failure."""
        if node not in self._known:
            self._known[node] = self._forks.at(node) or self._fork_after_failure(node)
        return self._known[node]

    def outside(self, node: str) -> frozenset[str]:
        """Return what no branch of a node may come to: what is before it, and behind its meeting.

        A node that only failures in a branch lead to belongs to the branch.
        """
        if node not in self._outside:
            fork = self.fork(node)
            self._outside[node] = _find_outside(self._graph, fork) if fork else frozenset()
        return self._outside[node]

    def _fork_after_failure(self, node: str) -> Fork | None:
        if node not in self._graph.nodes:
            return None
        by_failure = Edge(self._graph.starts[0].id, node)
        return Forks(replace(self._graph, edges=(*self._graph.edges, by_failure))).at(node)


def _find_outside(graph: Graph, fork: Fork) -> frozenset[str]:
    if not fork.meeting:
        return frozenset()
    leaks = {edge.target for edge in fork.leaks}
    ends = {fork.node, fork.meeting, *(exit_.id for exit_ in graph.exits), *leaks}
    inside = reached_from(targets(graph)(fork.node), targets(graph), until=ends) - ends
    reached = reached_from(
        [graph.starts[0].id, fork.meeting], _after_failures_too(graph), until=[fork.node, *inside]
    )
    return frozenset((reached | leaks) - inside - {fork.meeting})


def _after_failures_too(graph: Graph) -> Callable[[str], Iterable[str]]:
    """Return the function that follows edges and jumps; where the graph's begin is anywhere."""
    follow, start = targets_and_jumps(graph), graph.starts[0].id
    of_graph = failure_targets(graph.attributes)
    return lambda node: [*follow(node), *(of_graph if node == start else ())]


_STAGE = re.compile(r"(?P<node>.*)@(?P<visit>[0-9]+)\.(?P<attempt>[0-9]+)", re.DOTALL)
_SAVED = CheckpointSaved.__name__
# Every line is looked at, and few of them are read.
_MARK = _SAVED.encode()
_LARGEST = 2 * LARGEST_FILE

ReadKept = Callable[[str, str], bytes]
"""Returns a file that an attempt left, by what that goes by and the file's name."""

Rebuild = Callable[[str, ReadKept], object]
"""Makes the conversation again that an attempt left; ConversationLost is raised if it cannot."""


def rebuild_nothing(last: str, read: ReadKept) -> object:
    """Refuse: what does the stages keeps no conversations."""
    raise ConversationLost("what does the stages of this run keeps none")


@runtime_checkable
class Rebuilds(Protocol):
    """A backend that can take up again what its stages left on the disk."""

    def rebuild(self, last: str, read: ReadKept) -> object:
        """Return the conversation that an attempt left; ConversationLost is raised if it cannot."""
        ...


def rebuilder_of(backend: object) -> Rebuild:
    """Return how conversations of a backend are made again."""
    return backend.rebuild if isinstance(backend, Rebuilds) else rebuild_nothing


class KeptConversations:
    """Takes the conversations of a run up again, each where the journal says it was left.

    Each walk takes one up once: from then on it is in the hands of this process, and what the disk
    has of it may be older.
    """

    def __init__(self, directory: RunDirectory, rebuild: Rebuild) -> None:
        self._directory = directory
        self._rebuild = rebuild
        self._last = dict[tuple[str, str], str]()
        for line in read_lines(directory.events) if directory.events.exists() else ():
            if _MARK in line.content:
                self._note(Event.from_record(Fields(parse_json(line.content), "event").all()))

    def take(self, thread: str, walks: Sequence[str]) -> object:
        """Return what was said in a thread; `walks` are the key of the one, and of those around."""
        own = self._last.pop((walks[0], thread), "")
        around = (self._last.get((walk, thread), "") for walk in walks[1:])
        last = own or next(filter(None, around), "")
        if not last:
            raise ConversationLost("the journal of this run names no stage that left it")
        return self._rebuild(last, self._read)

    def _note(self, event: Event) -> None:
        data = Fields(event.data, f"event {event.seq}")
        if event.type != _SAVED or not data.has("step"):
            return
        visit = data.inner("step").inner("visit")
        if visit.has("thread") and (thread := visit.text("thread")):
            named = stage_id(visit.text("node"), visit.number("number"), visit.number("attempts"))
            self._last[event.branch or MAIN, thread] = named

    def _read(self, stage: str, name: str) -> bytes:
        found = _STAGE.fullmatch(stage)
        if not found:
            raise ConversationLost(f"there is no stage {stage!r}")
        place = self._directory.stage(found["node"])
        folder = folder_of_attempt(place, int(found["visit"]), int(found["attempt"]))
        if folder is None:
            raise ConversationLost(f"the folder of {stage} is not there any more")
        try:
            return read_foreign(folder / name, largest=_LARGEST)
        except FileTrouble as trouble:
            raise ConversationLost(trouble.message) from trouble


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
