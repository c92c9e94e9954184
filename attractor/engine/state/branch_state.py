"""Where each walk of a run is: that from the start, and those of its branches while they last.

What parallel branches do to the progress of a walk: they leave it, walk, and are joined to it.

Values only, and pure functions: a run, a resume and a simulation branch the same way (ruling R6).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import Json
from attractor.engine.interfaces import Branch, BranchEnd, Branches, TreeId
from attractor.engine.json_files import Fields
from attractor.engine.outcome import NOTHING_USED, StageStatus, Usage
from attractor.engine.prompts.preamble import join_past, remember_keys
from attractor.engine.questions.question import Question, question_from_record, question_to_record
from attractor.engine.state.progress import (
    InFlight,
    Progress,
    StageRecord,
    SteppedOver,
    Visit,
    WalkEnd,
    flight_from_record,
    flight_to_record,
)
from attractor.engine.state.progress_records import progress_from_record, progress_to_record
from attractor.language.graph.branches import FORKS
from attractor.language.graph.graph import Node

GIVEN_UP = "canceled"
"""The outcome that the journal has of a branch that was not wanted any more."""

_ENGINES_OWN = ("current_node", "outcome", "preferred_label")
_ENGINES_PREFIX = "internal."
# What keys are put together with, and may stand in the id of a node too.
_ENCODED = str.maketrans({one: f"%{ord(one):02X}" for one in "%/@"})


def visit_key(parent: str, node: str, visit: int) -> str:
    """Return what the keys of all branches of a visit begin with."""
    place = f"{node.translate(_ENCODED)}@{visit}."
    return f"{parent}/{place}" if parent else place


def attempt_key(parent: str, node: str, visit: int, attempt: int) -> str:
    """Return what the keys of all branches of an attempt begin with; their names follow.

    So no other branch of the run has the same key.
    """
    return f"{visit_key(parent, node, visit)}{attempt}/"


def branch_key(attempt: str, name: str) -> str:
    """Return the key of a branch, by that of its attempt and by its name."""
    return attempt + name.translate(_ENCODED)


def meeting_of(node: Node, branches: Branches) -> str:
    """Return where the branches of a node meet; nothing for a node that has none."""
    fork = branches.fork if node.type in FORKS else None
    return fork.meeting if fork else ""


def fork_off(progress: Progress, branch: Branch) -> Progress:
    """Return the progress of a branch that stands before its first node.

    It has a clone of the context, and knows how often each node was visited on the way to it. What
    it comes to is its own: with no stage that says more, it ends well.
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


def end_of(branch: Branch, key: str, parent: Progress, walked: Progress) -> BranchEnd:
    """Return how a branch ended that was walked to its end, but for what it did to files."""
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


def canceled(branch: Branch, key: str) -> BranchEnd:
    """Return the end of a branch that was not wanted any more."""
    return BranchEnd(branch.name, key, StageStatus.SKIPPED, is_canceled=True)


def join(progress: Progress, branches: Mapping[str, Progress]) -> Progress:
    """Return the progress of a walk with what its branches, by key and in order, add to it.

    What they wrote into their contexts is not part of it (attractor-spec 3.8).
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


def spend(progress: Progress, usage: Usage) -> Progress:
    """Return the progress with what was used besides."""
    return changed(progress, usage=progress.usage + usage)


def _updates(walked: Progress) -> dict[str, Json]:
    """Return what the stages of a branch wrote into its context, and not the engine."""
    return {
        key: walked.context[key]
        for key in walked.written or ()
        if key not in _ENGINES_OWN and not key.startswith(_ENGINES_PREFIX)
    }


def _visited(progress: Progress, branches: Mapping[str, Progress]) -> Mapping[str, StageRecord]:
    """Return what is known of each node that branches visited."""
    visited: dict[str, StageRecord] = {}
    for key, walked in branches.items():
        for node, record in walked.stages.items():
            if record.visits > progress.visits(node):
                seen = _seen_from_outside(record, key, walked.left_out)
                visited[node] = _put_together(visited.get(node), seen, before=progress.visits(node))
    return visited


def _seen_from_outside(record: StageRecord, key: str, left_out: Sequence[str]) -> StageRecord:
    """Return a record as the branch's own, unless it is that of a branch left out within it."""
    is_left_out = bool(record.branches) and set(record.branches) <= set(left_out)
    return record if is_left_out else changed(record, branches=(key,))


def _put_together(known: StageRecord | None, new: StageRecord, *, before: int) -> StageRecord:
    """Return the record of a node that several branches visited: the worst outcome counts."""
    if known is None:
        return new
    visits = known.visits + new.visits - before
    if new.outcome.is_success == known.outcome.is_success:
        branches = (*known.branches, *new.branches)
        return changed(new, visits=visits, branches=branches)
    worse = known if new.outcome.is_success else new
    return changed(worse, visits=visits)


MAIN = ""
"""The key of the walk from the start, and of the workspace it works in."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""When a process was heard of last of which nothing is known."""


@dataclass(frozen=True)
class WalkState:
    """Where one walk is.

    A branch has a name, the walk that it left as its parent, and maybe that one's workspace; it is
    over when its end was told, or when it was given up. `saved` is the number of its last step's
    event, `given` what its context had at its beginning besides that of its parent. `branches` is
    how many left it and are not joined: most walks have none, and nobody looks for them.
    """

    progress: Progress
    in_flight: InFlight | None = None
    questions: tuple[Question, ...] = ()
    name: str = ""
    parent: str = MAIN
    workspace: str = MAIN
    is_over: bool = False
    is_given_up: bool = False
    saved: int = 0
    given: Mapping[str, Json] = field(default_factory=dict[str, Json])
    branches: int = 0


Strands = Mapping[str, WalkState]
"""By key, in the order in which they began: none stands before the walk that it left."""


def leave(strands: Strands, key: str, parent: str, branch: Branch, *, workspace: str) -> Strands:
    """Return the strands when a branch has left one of the walks."""
    left = strands[parent]
    begun = WalkState(
        fork_off(left.progress, branch),
        name=branch.name,
        parent=parent,
        workspace=workspace,
        given=branch.updates,
    )
    return {**strands, parent: changed(left, branches=left.branches + 1), key: begun}


def end_branch(strands: Strands, key: str, *, is_given_up: bool) -> Strands:
    """Return the strands when a branch is over, and with it all that left it."""
    over = {
        one: changed(
            strands[one],
            progress=_with_what_was_used(strands[one]),
            is_over=True,
            is_given_up=is_given_up,
            in_flight=None,
            questions=(),
        )
        for one in with_all_that_left(strands, key)
    }
    return {**strands, **over}


def _with_what_was_used(strand: WalkState) -> Progress:
    """Return the progress of a walk that ends in a visit: what its attempts used is spent."""
    flight = strand.in_flight
    return spend(strand.progress, flight.spent) if flight else strand.progress


def with_all_that_left(strands: Strands, key: str) -> Sequence[str]:
    """Return the key of a walk, and those of its branches, of their branches, and so on."""
    if not strands[key].branches:
        return [key]
    found = {key: None}
    for one, strand in strands.items():
        if one and strand.parent in found:
            found[one] = None
    return list(found)


def siblings(strands: Strands, parent: str, attempt: str) -> Sequence[str]:
    """Return the branches that left a walk at one attempt, in the order in which they began."""
    if not strands[parent].branches:
        return []
    return [
        one
        for one, strand in strands.items()
        # In this order: most are of the same parent, or none is.
        if strand.parent == parent and one.startswith(attempt)
    ]


def gather(strands: Strands, key: str, visit: Visit) -> tuple[Progress, Strands]:
    """Return the progress of a walk with its branches of a visit, and the strands without them.

    Those that were given up, and those of an earlier attempt, only add what they used.
    """
    progress, place = strands[key].progress, visit_key(key, visit.node, visit.number)
    if not strands[key].branches:
        return progress, strands
    begun = {one: strand for one, strand in strands.items() if one.startswith(place)}
    if not begun:
        return progress, strands
    attempt = attempt_key(key, visit.node, visit.number, visit.attempts)
    ended = {
        one: begun[one].progress
        for one in siblings(strands, key, attempt)
        if begun[one].progress.end and not begun[one].is_given_up
    }
    lost = (strand.progress.usage for one, strand in begun.items() if one not in ended)
    progress = spend(join(progress, ended), sum(lost, NOTHING_USED))
    rest = {one: strand for one, strand in strands.items() if one not in begun}
    return progress, counted(rest)


def counted(strands: Strands) -> Strands:
    """Return the strands, each with the number of those that left it."""
    left = Counter(strand.parent for key, strand in strands.items() if key != MAIN)
    return {
        key: strand if strand.branches == left[key] else changed(strand, branches=left[key])
        for key, strand in strands.items()
    }


def let_go(strands: Strands, at: datetime) -> Strands:
    """Return the strands when the process that was at work on them has ended."""
    return {
        key: changed(one, in_flight=one.in_flight.left(at)) if one.in_flight else one
        for key, one in strands.items()
    }


def cut_off(strands: Strands) -> Sequence[InFlight]:
    """Return the attempts that nobody is at work on any more and that are made again.

    One whose branches began goes on with them, and one that asks somebody waits.
    """
    return [
        strand.in_flight
        for key, strand in strands.items()
        if strand.in_flight
        and strand.in_flight.starts
        and not strand.questions
        and not _has_branches(strands, key, strand.in_flight)
    ]


def _has_branches(strands: Strands, key: str, flight: InFlight) -> bool:
    attempt = attempt_key(key, flight.node, flight.visit, flight.attempt)
    return bool(siblings(strands, key, attempt))


def last_tree(strands: Strands, workspace: str) -> TreeId:
    """Return what a workspace held after the last step of the walks that work in it."""
    of_it = [strand for strand in strands.values() if strand.workspace == workspace]
    return max(of_it, key=lambda strand: strand.saved).progress.tree


def strand_to_record(strand: WalkState) -> dict[str, Json]:
    """Return a strand as the checkpoint has it, but for its progress."""
    flight = strand.in_flight
    return {
        "in_flight": flight_to_record(flight) if flight else None,
        "questions": [question_to_record(one) for one in strand.questions],
        "name": strand.name,
        "parent": strand.parent,
        "workspace": strand.workspace,
        "is_over": strand.is_over,
        "is_given_up": strand.is_given_up,
        "saved": strand.saved,
        **({"given": dict(strand.given)} if strand.given else {}),
    }


def branches_to_records(strands: Strands) -> list[Json]:
    """Return every walk but that from the start, whole and in order."""
    return [
        {
            **strand_to_record(one),
            "key": key,
            "progress": progress_to_record(one.progress),
        }
        for key, one in strands.items()
        if key != MAIN
    ]


def strand_from_record(fields: Fields, progress: Progress) -> WalkState:
    """Read a strand back."""
    return WalkState(
        progress,
        flight_from_record(fields.inner("in_flight")) if fields.has("in_flight") else None,
        _questions(fields),
        fields.text("name"),
        fields.text("parent"),
        fields.text("workspace"),
        fields.flag("is_over"),
        fields.flag("is_given_up"),
        fields.number("saved"),
        fields.members("given") if fields.has("given") else {},
    )


def branches_from_records(records: Sequence[Fields]) -> dict[str, WalkState]:
    """Read the branches back."""
    return {
        one.text("key"): strand_from_record(one, progress_from_record(one.inner("progress")))
        for one in records
    }


def _questions(fields: Fields) -> tuple[Question, ...]:
    if not fields.has("questions"):  # an older checkpoint had one at most
        return (question_from_record(fields.inner("question")),) if fields.has("question") else ()
    return tuple(question_from_record(one) for one in fields.inners("questions"))
