"""Finds the point of a run at which another run can begin."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError
from attractor.base.events import Event
from attractor.base.patterns import late_pattern
from attractor.engine.journal.checkpoint import verify_journal
from attractor.engine.journal.events import ParallelBranchStarted, StageStarted
from attractor.engine.journal.reducer import fold
from attractor.engine.state.progress import Progress
from attractor.engine.state.run_state import RunState
from attractor.engine.storage.json_files import Fields
from attractor.records.lookup import RecordedRun

SHOWN = 12

_WITH_VISIT = late_pattern(r"(?P<node>.+)@(?P<visit>[0-9]{1,9})", re.DOTALL)

_STARTED, _BRANCHED = StageStarted.__name__, ParallelBranchStarted.__name__


@dataclass(frozen=True)
class Visited:
    """A visit of a node: number, first event, and branch of the visit."""

    node: str
    visit: int
    seq: int
    branch: str = ""

    def __str__(self) -> str:
        return f"{self.node}@{self.visit}"


@dataclass(frozen=True)
class ForkPoint:
    """The state of a run right before a visit; `seq` and `hash` belong to the preceding event."""

    node: str
    visit: int
    seq: int
    hash: str
    progress: Progress
    begun: Mapping[str, int]
    given: Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.node}@{self.visit}"


@dataclass
class _Path:
    """The visits of a run in the order of their start, and the parallel nodes where
    branches began.
    """

    visits: dict[tuple[str, int], Visited] = field(default_factory=dict[tuple[str, int], Visited])
    branches: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    def add(self, event: Event) -> None:
        """Add an event of the run."""
        if event.node is None or event.visit is None:
            return
        branch = event.branch or ""
        if event.type == _BRANCHED:
            parent = Fields(event.data, _BRANCHED).text("parent")
            self.branches[branch] = (f"{event.node}@{event.visit}", parent)
        elif event.type == _STARTED:
            visited = Visited(event.node, event.visit, event.seq, branch)
            # A stage that was interrupted starts a second time.
            self.visits.setdefault((event.node, event.visit), visited)

    def fork_of(self, branch: str) -> str:
        """Return the visit at which the outermost branch that contains a branch started."""
        place, parent = self.branches.get(branch, ("", ""))
        while parent:
            place, parent = self.branches.get(parent, ("", ""))
        return place


def find_fork_point(run: RecordedRun, reference: str) -> ForkPoint:
    """Return the point before a visit `NODE@VISIT`, or before the last visit of `NODE`."""
    verify_journal(run.directory.events)
    path = _Path()
    for event in run.events():
        path.add(event)
    visited = _choose(run, list(path.visits.values()), reference)
    if visited.branch:
        raise UsageError(
            (
                f"{visited} is in the branch {visited.branch}, and a fork can only start "
                "outside of branches"
            ),
            hint=f"fork it where the branches began: {path.fork_of(visited.branch)}",
        )
    return _before(run, visited)


def _choose(run: RecordedRun, visits: Sequence[Visited], reference: str) -> Visited:
    node, number = _split(reference, {one.node for one in visits})
    of_node = [one for one in visits if one.node == node]
    if not of_node:
        raise _never_visited(run, visits, node)
    found = [one for one in of_node if number in (None, one.visit)]
    if not found:
        raise UsageError(
            f"{node} has no visit {number} in run {run.run_id}",
            hint=f"its visits: {_named([str(one) for one in of_node])}{_earlier(run)}",
        )
    return found[-1]


def _split(reference: str, nodes: set[str]) -> tuple[str, int | None]:
    """Split a reference into node and visit; the node id can also contain `@`."""
    match = _WITH_VISIT.fullmatch(reference)
    if match is None or reference in nodes:
        return reference, None
    return match["node"], int(match["visit"])


def _never_visited(run: RecordedRun, visits: Sequence[Visited], node: str) -> UsageError:
    if not visits:
        return UsageError(
            f"run {run.run_id} has not visited any node yet",
            hint=f"begin it with attractor resume{_earlier(run)}",
        )
    nodes = list(dict.fromkeys(one.node for one in visits))
    error = UnknownName("visited node", node, nodes)
    name, _, number = node.rpartition("@")
    if name in nodes:
        message = f"invalid visit number {number!r} of {name}"
        return UsageError(message, hint=f"write {name}@1 for the first visit")
    if len(nodes) > SHOWN and not error.hint.startswith("did you mean"):
        error.hint = f"visited: {_named(nodes)}"
    error.hint += _earlier(run)
    return error


def _earlier(run: RecordedRun) -> str:
    """If the run is a fork, return a hint: visits before the fork are recorded in the
    parent run.
    """
    if not run.manifest.forked_at:
        return ""
    return (
        f"; the run was forked at {run.manifest.forked_at} from "
        f"{run.manifest.parent}, which has the earlier visits"
    )


def _named(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[-SHOWN:]) + more


def _before(run: RecordedRun, visited: Visited) -> ForkPoint:
    state, seq, digest = RunState(), 0, ""
    for event in run.events():
        if event.seq == visited.seq:
            break
        state, seq, digest = fold(state, event), event.seq, event.hash
    if state.progress is None:
        raise UsageError(f"the walk of {run.run_id} had not begun before {visited}")
    return ForkPoint(
        visited.node, visited.visit, seq, digest, state.progress, state.begun, state.answer_counts
    )
