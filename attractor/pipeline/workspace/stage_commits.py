"""Reads from a run's journal which commits its stages are, and which came after which.

The walk from the start is one line of commits, and each branch with files of its own is one that
leaves it. Where branches meet, the commit of the fan-in comes after those of the branches that it
took over: after one winner the history goes straight on, several are merged. The stages of a branch
that was not taken over are no part of it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import field, replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import parse_json
from attractor.engine.journal.events import (
    CheckpointSaved,
    ParallelBranchCompleted,
    ParallelBranchStarted,
    RunForked,
    RunRestarted,
)
from attractor.engine.state.attempts import MAIN, TreeId, attempt_key
from attractor.engine.state.branches import GIVEN_UP
from attractor.engine.state.progress import LEFT_OUT, Visit, step_from_record
from attractor.engine.storage.json_files import Fields
from attractor.engine.walk.attempt import TOUCH_NO_FILES
from attractor.language.graph.graph import Graph
from attractor.workspaces.git.checkouts import AT_BASE, StageTree
from attractor.workspaces.git.object_store import Author

NAME, EMAIL = "Attractor", "attractor@localhost"
"""Whose commits they are."""

_SAVED = CheckpointSaved.__name__
_FORKED, _RESTARTED = RunForked.__name__, RunRestarted.__name__
_BEGUN, _OVER = ParallelBranchStarted.__name__, ParallelBranchCompleted.__name__
_HEARD = (_SAVED, _FORKED, _RESTARTED, _BEGUN, _OVER)
_WORDS = tuple(f'"{kind}"'.encode() for kind in _HEARD)


def stage_commits(journal: Path, graph: Graph, *, base: TreeId) -> Sequence[StageTree]:
    """Return every stage that may have changed files, in order; the last has the run's tree.

    `base` is the candidate tree that the run began with.
    """
    history = _History(base, _never_change(graph))
    for event in _events(journal):
        history.hear(event)
    return _reachable(history.made, history.lines[MAIN].tip)


def _never_change(graph: Graph) -> Collection[str]:
    return frozenset(node.id for node in graph.nodes.values() if node.type in TOUCH_NO_FILES)


def _events(journal: Path) -> Iterator[Event]:
    for line in read_lines(journal):
        # Most lines are about something else, and reading them takes time.
        if any(kind in line.content for kind in _WORDS):
            record = parse_json(line.content)
            if isinstance(record, dict) and record.get("type") in _HEARD:
                yield Event.from_record(record)


@dataclass
class _Line:
    """Where the commits of one workspace are: the last one, and the tree after it."""

    tip: int
    tree: TreeId
    left: int


@dataclass
class _History:
    """What was heard of so far; walks that share a workspace have one line."""

    base: TreeId
    never_change: Collection[str]
    made: list[StageTree] = field(default_factory=list[StageTree])
    lines: dict[str, _Line] = field(default_factory=dict[str, _Line])
    begun: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    waiting: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def __post_init__(self) -> None:
        self.lines[MAIN] = _Line(AT_BASE, self.base, AT_BASE)

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        walk = event.branch or MAIN
        if event.type == _BEGUN:
            self._begin(walk, Fields(event.data, event.type))
        elif event.type == _OVER:
            self._end(walk, Fields(event.data, event.type))
        elif event.type != _SAVED:
            self._inherit(_before(event))
        elif event.data.get("step"):
            visit = step_from_record(Fields(event.data, "step").inner("step")).visit
            self._visit(walk, visit, Author(NAME, EMAIL, event.time))

    def _begin(self, walk: str, told: Fields) -> None:
        parent = told.text("parent")
        line = self.lines[parent]
        self.lines[walk] = _Line(line.tip, line.tree, line.tip) if told.flag("isolated") else line
        self.begun.setdefault(parent, []).append(walk)

    def _end(self, walk: str, told: Fields) -> None:
        """Forget a branch that nobody wanted any more: a fan-in does not hear of it."""
        if told.text("outcome") == GIVEN_UP:
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
        # What changes no file by itself is no commit: a tree that changed all the same is kept.
        if taken or visit.node not in self.never_change or visit.tree != line.tree:
            self._add(line, _stage(visit, author), _parents(line, taken))
        attempt = attempt_key(walk, visit.node, visit.number, visit.attempts)
        begun = [one for one in self.begun.pop(walk, []) if one.startswith(attempt)]
        if begun:
            self.waiting[walk] = begun

    def _taken(self, walk: str, visit: Visit) -> Sequence[_Line]:
        """Return the lines of the branches that a fan-in goes on with."""
        left_out = visit.outcome.context_updates.get(LEFT_OUT)
        if not isinstance(left_out, list):
            return ()
        met = self.waiting.pop(walk, [])
        return [self.lines[one] for one in met if one not in left_out]

    def _add(self, line: _Line, stage: StageTree, parents: tuple[int, ...]) -> None:
        self.made.append(replace(stage, parents=parents))
        line.tip, line.tree = len(self.made) - 1, stage.tree


def _parents(line: _Line, taken: Sequence[_Line]) -> tuple[int, ...]:
    """Return what the commit of a visit comes after: where nothing else was done, the branches."""
    tips = [one.tip for one in taken if one.tip not in (one.left, line.tip)]
    moved = not tips or any(one.left != line.tip for one in taken)
    return tuple(dict.fromkeys([line.tip, *tips] if moved else tips))


def _reachable(made: Sequence[StageTree], tip: int) -> Sequence[StageTree]:
    """Return a commit with all that it came after, in order."""
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
    """Return what the run began with that another one had made."""
    told = Fields(event.data, event.type)
    parent, node = told.text("parent"), told.text("node")
    at = f"up to {node}@{told.number('visit')}" if event.type == _FORKED else f"until {node}"
    author = Author(NAME, EMAIL, event.time)
    return StageTree(f"Run {parent} {at}", told.text("tree"), author, {"Attractor-Parent": parent})
