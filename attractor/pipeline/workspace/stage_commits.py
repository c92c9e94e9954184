"""Reads from a journal the commits of a run's stages, and the order of the commits.

The walk from the start is one line of commits. Each parallel branch with its own files is another
line, which leaves the first. Where branches meet, the commit of the fan-in follows the commits of
the branches that the fan-in took over: with one winner the history is linear, with several winners
it is a merge. Stages of other branches are left out.
"""

from collections.abc import Collection, Sequence
from dataclasses import field, replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.engine.journal.events import (
    CheckpointSaved,
    ParallelBranchCompleted,
    ParallelBranchStarted,
    RunForked,
    RunRestarted,
)
from attractor.engine.journal.reader import events_of
from attractor.engine.state.attempts import MAIN, TreeId, attempt_key
from attractor.engine.state.progress import LEFT_OUT, Visit, step_from_record
from attractor.engine.state.walks import GIVEN_UP
from attractor.engine.storage.json_files import Fields
from attractor.engine.walk.attempt import TOUCH_NO_FILES
from attractor.language.graph.graph import Graph
from attractor.workspaces.checkouts import AT_BASE, StageTree
from attractor.workspaces.git.object_store import Author

_SAVED = CheckpointSaved.__name__
_FORKED, _RESTARTED = RunForked.__name__, RunRestarted.__name__
_BEGUN, _OVER = ParallelBranchStarted.__name__, ParallelBranchCompleted.__name__
_HEARD = (_SAVED, _FORKED, _RESTARTED, _BEGUN, _OVER)


def stage_commits(journal: Path, graph: Graph, *, base: TreeId) -> Sequence[StageTree]:
    """Return the stages that may have changed files, in order; the last has the run's tree.

    `base` is the candidate tree with which the run began.
    """
    history = _History(base, _never_change(graph))
    for event in events_of(journal, _HEARD):
        history.apply(event)
    return _reachable(history.made, history.lines[MAIN].tip)


def _never_change(graph: Graph) -> Collection[str]:
    return frozenset(node.id for node in graph.nodes.values() if node.type in TOUCH_NO_FILES)


@dataclass
class _Line:
    """The line of commits in one workspace: the last commit, and the tree of the last commit."""

    tip: int
    tree: TreeId
    left: int


@dataclass
class _History:
    """The commits so far; walks that share a workspace have one line."""

    base: TreeId
    never_change: Collection[str]
    made: list[StageTree] = field(default_factory=list[StageTree])
    lines: dict[str, _Line] = field(default_factory=dict[str, _Line])
    begun: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    waiting: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def __post_init__(self) -> None:
        self.lines[MAIN] = _Line(AT_BASE, self.base, AT_BASE)

    def apply(self, event: Event) -> None:
        """Apply an event."""
        walk = event.branch or MAIN
        if event.type == _BEGUN:
            self._begin(walk, Fields(event.data, event.type))
        elif event.type == _OVER:
            self._end(walk, Fields(event.data, event.type))
        elif event.type != _SAVED:
            self._inherit(_before(event))
        elif event.data.get("step"):
            visit = step_from_record(Fields(event.data, "step").inner("step")).visit
            self._visit(walk, visit, Author.attractor(event.time))

    def _begin(self, walk: str, commits: Fields) -> None:
        parent = commits.text("parent")
        line = self.lines[parent]
        self.lines[walk] = (
            _Line(line.tip, line.tree, line.tip) if commits.flag("isolated") else line
        )
        self.begun.setdefault(parent, []).append(walk)

    def _end(self, walk: str, commits: Fields) -> None:
        """Remove a canceled branch, so that no fan-in uses it."""
        if commits.text("outcome") == GIVEN_UP:
            self.begun = {
                parent: [one for one in walks if one != walk]
                for parent, walks in self.begun.items()
            }

    def _inherit(self, stage: StageTree) -> None:
        line = self.lines[MAIN]
        if stage.tree != line.tree:
            self._add(line, stage, (line.tip,))

    def _visit(self, walk: str, visit: Visit, author: Author) -> None:
        line, taken = self.lines[walk], self._taken(walk, visit)
        # A node type that changes no files gets no commit, unless the tree changed.
        if taken or visit.node not in self.never_change or visit.tree != line.tree:
            self._add(line, _stage(visit, author), _parents(line, taken))
        attempt = attempt_key(walk, visit.node, visit.number, visit.attempts)
        begun = [one for one in self.begun.pop(walk, []) if one.startswith(attempt)]
        if begun:
            self.waiting[walk] = begun

    def _taken(self, walk: str, visit: Visit) -> Sequence[_Line]:
        """Return the lines of the branches that a fan-in takes over."""
        left_out = visit.outcome.context_updates.get(LEFT_OUT)
        if not isinstance(left_out, list):
            return ()
        met = self.waiting.pop(walk, [])
        return [self.lines[one] for one in met if one not in left_out]

    def _add(self, line: _Line, stage: StageTree, parents: tuple[int, ...]) -> None:
        self.made.append(replace(stage, parents=parents))
        line.tip, line.tree = len(self.made) - 1, stage.tree


def _parents(line: _Line, taken: Sequence[_Line]) -> tuple[int, ...]:
    """Return the parents of the commit of a visit.

    A fan-in without changes of its own only has the branches as parents.
    """
    tips = [one.tip for one in taken if one.tip not in (one.left, line.tip)]
    moved = not tips or any(one.left != line.tip for one in taken)
    return tuple(dict.fromkeys([line.tip, *tips] if moved else tips))


def _reachable(made: Sequence[StageTree], tip: int) -> Sequence[StageTree]:
    """Return a commit with all its ancestors, in order."""
    found, waiting = set[int](), [tip]
    while waiting:
        at = waiting.pop()
        if at != AT_BASE and at not in found:
            found.add(at)
            waiting += made[at].parents
    places = {AT_BASE: AT_BASE} | {at: place for place, at in enumerate(sorted(found))}
    return [
        replace(made[at], parents=tuple(places[one] for one in made[at].parents))
        for at in sorted(found)
    ]


def _stage(visit: Visit, author: Author) -> StageTree:
    trailers = {
        "Attractor-Stage": visit.node,
        "Attractor-Visit": str(visit.number),
        "Attractor-Outcome": visit.outcome.status.value,
    }
    return StageTree(f"Stage {visit.node}", visit.tree, author, trailers)


def _before(event: Event) -> StageTree:
    """Return a stage for the changes of another run with which this run began."""
    data = Fields(event.data, event.type)
    parent, node = data.text("parent"), data.text("node")
    at = f"up to {node}@{data.number('visit')}" if event.type == _FORKED else f"until {node}"
    author = Author.attractor(event.time)
    return StageTree(f"Run {parent} {at}", data.text("tree"), author, {"Attractor-Parent": parent})
