"""Begins and ends branches, and joins them to the walk that they left (ruling R6)."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import Json
from attractor.engine.outcome import NOTHING_USED, StageStatus, Usage
from attractor.engine.prompts.preamble import (
    join_past,
    remember_keys,
)
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.progress import (
    Progress,
    StageRecord,
    SteppedOver,
    WalkEnd,
)


@dataclass(frozen=True)
class Branch:
    """A walk through a part of the graph, up to the node where branches meet.

    `updates` are added to the context that the branch begins with.
    """

    name: str
    start: str
    until: str
    updates: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True)
class BranchEnd:
    """The end of a branch; `updates` are the context updates of its stages.

    The key is the unique id of the branch in the journal.
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


GIVEN_UP = "canceled"
"""The outcome of a canceled branch in the journal."""


_ENGINES_OWN = ("current_node", "outcome", "preferred_label")


_ENGINES_PREFIX = "internal."


def fork_off(progress: Progress, branch: Branch) -> Progress:
    """Return the progress of a branch before its first node.

    It begins with a clone of the context, and with the visit counts of the walk that it leaves. A
    branch without stages succeeds.
    """
    has_none = branch.start == branch.until
    return changed(
        progress,
        next_node="" if has_none else branch.start,
        edge_reason="branch",
        edge_fidelity="",
        edge_thread="",
        past=remember_keys(progress.past, branch.updates, progress.context),
        context={**progress.context, **branch.updates},
        completed=(),
        logs=(),
        last_status=StageStatus.SUCCESS,
        last_label="",
        last_notes="",
        handled=(),
        steps_over=(),
        assumed=(),
        left_out=(),
        written=(),
        usage=NOTHING_USED,
        seconds=0.0,
        end=WalkEnd(StageStatus.SUCCESS, "an empty branch", branch.until) if has_none else None,
    )


def branch_end(branch: Branch, key: str, parent: Progress, walked: Progress) -> BranchEnd:
    """Return the end of a branch, without its changes to files."""
    end = walked.end or WalkEnd(StageStatus.FAIL, "the branch did not end", walked.next_node)
    updates = _updates(walked)
    said = updates.get("last_response", "")
    return BranchEnd(
        name=branch.name,
        key=key,
        status=end.status,
        reason="" if end.status.is_success else end.reason,
        notes=walked.last_notes,
        response=said if isinstance(said, str) else "",
        updates=updates,
        base=parent.tree,
        tree=walked.tree,
        usage=walked.usage,
        seconds=round(walked.seconds, 6),
    )


def canceled_branch(branch: Branch, key: str) -> BranchEnd:
    """Return the end of a canceled branch."""
    return BranchEnd(branch.name, key, StageStatus.SKIPPED, is_canceled=True)


def join(progress: Progress, branches: Mapping[str, Progress]) -> Progress:
    """Return the progress of a walk after its ended branches are joined, in order.

    The context updates of branches are not applied (attractor-spec 3.8).
    """
    ends = list(branches.values())
    over = (SteppedOver(node, key) for key, one in branches.items() for node in one.stepped_over)
    return changed(
        progress,
        stages={**progress.stages, **_visited(progress, branches)},
        completed=(*progress.completed, *(node for one in ends for node in one.completed)),
        redirects=progress.redirects + sum(one.redirects - progress.redirects for one in ends),
        steps_over=(*progress.steps_over, *over),
        handled=(*progress.handled, *(node for one in ends for node in one.handled)),
        assumed=(*progress.assumed, *(node for one in ends for node in one.assumed)),
        logs=(*progress.logs, *(line for one in ends for line in one.logs)),
        left_out=(*progress.left_out, *(node for one in ends for node in one.left_out)),
        past=join_past(progress.past, (one.past for one in ends)),
        usage=sum((one.usage for one in ends), progress.usage),
    )


def add_usage(progress: Progress, usage: Usage) -> Progress:
    """Return the progress with usage added."""
    return changed(progress, usage=progress.usage + usage)


def _updates(walked: Progress) -> dict[str, Json]:
    """Return the context updates of a branch's stages, without the engine's own."""
    return {
        key: walked.context[key]
        for key in walked.written or ()
        if key not in _ENGINES_OWN and not key.startswith(_ENGINES_PREFIX)
    }


def _visited(progress: Progress, branches: Mapping[str, Progress]) -> Mapping[str, StageRecord]:
    """Return the record of each node that the branches visited."""
    visited: dict[str, StageRecord] = {}
    for key, walked in branches.items():
        for node, record in walked.stages.items():
            if record.visits > progress.visits(node):
                seen = _seen_from_outside(record, key, walked.left_out)
                visited[node] = _put_together(visited.get(node), seen, before=progress.visits(node))
    return visited


def _seen_from_outside(record: StageRecord, key: str, left_out: Sequence[str]) -> StageRecord:
    """Return a stage record as one of the branch, or unchanged if its branch was left out."""
    is_left_out = bool(record.branches) and set(record.branches) <= set(left_out)
    return record if is_left_out else changed(record, branches=(key,))


def _put_together(known: StageRecord | None, new: StageRecord, *, before: int) -> StageRecord:
    """Return one record of a node that several branches visited; it has the worst outcome."""
    if known is None:
        return new
    visits = known.visits + new.visits - before
    if new.outcome.is_success == known.outcome.is_success:
        branches = (*known.branches, *new.branches)
        return changed(new, visits=visits, branches=branches)
    worse = known if new.outcome.is_success else new
    return changed(worse, visits=visits)
