"""The state of each walk of a run: the main walk, and the branches that fork off and join (R6)."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import Json
from attractor.base.records import write_record
from attractor.engine.outcome import NOTHING_USED, StageStatus, Usage
from attractor.engine.prompts.preamble import join_past, remember_keys
from attractor.engine.questions.question import (
    BESIDES,
    OF_CHILD,
    Answer,
    Question,
    question_from_record,
    question_to_record,
)
from attractor.engine.state.attempts import MAIN, InFlight, TreeId, attempt_key, visit_key
from attractor.engine.state.progress import (
    Progress,
    StageRecord,
    SteppedOver,
    Visit,
    WalkEnd,
    progress_from_record,
    progress_to_record,
)
from attractor.engine.storage.json_files import Fields


@dataclass(frozen=True)
class Branch:
    """A walk through a part of the graph, up to the node where branches meet.

    `updates` are added to the context with which the branch begins.
    """

    name: str
    start: str
    until: str
    updates: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True)
class BranchEnd:
    """The end of a branch; `updates` are the context updates of its stages.

    The key is the unique id of the branch in the journal. `stage` is the stage at which the branch
    failed.
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
    stage: str = ""


GIVEN_UP = "canceled"
"""The outcome of a canceled branch in the journal."""

_ENGINES_OWN = ("current_node", "last_stage", "outcome", "preferred_label")

_ENGINES_PREFIX = "internal."


def fork_off(progress: Progress, branch: Branch) -> Progress:
    """Return the progress of a branch before its first node.

    The branch begins with a clone of the context and with the visit counts of the parent walk. A
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
    # Without updates of the engine.
    updates = {
        key: walked.context[key]
        for key in walked.written or ()
        if key not in _ENGINES_OWN and not key.startswith(_ENGINES_PREFIX)
    }
    said = updates.get("last_response", "")
    # A branch may arrive at the meeting node after a failed stage.
    stage = walked.context.get("last_stage") if end.node == branch.until else end.node
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
        stage="" if end.status.is_success else str(stage),
    )


def canceled_branch(branch: Branch, key: str) -> BranchEnd:
    """Return the end of a canceled branch."""
    return BranchEnd(branch.name, key, StageStatus.SKIPPED, is_canceled=True)


def join(progress: Progress, branches: Mapping[str, Progress]) -> Progress:
    """Return the progress of a walk after its ended branches are joined, in order.

    The context updates of branches are not applied (attractor-spec 3.8).
    """
    ends = list(branches.values())
    over = (SteppedOver(node, key) for key, end in branches.items() for node in end.stepped_over)
    return changed(
        progress,
        stages={**progress.stages, **_visited(progress, branches)},
        completed=(*progress.completed, *(node for end in ends for node in end.completed)),
        redirects=progress.redirects + sum(end.redirects - progress.redirects for end in ends),
        steps_over=(*progress.steps_over, *over),
        handled=(*progress.handled, *(node for end in ends for node in end.handled)),
        assumed=(*progress.assumed, *(node for end in ends for node in end.assumed)),
        logs=(*progress.logs, *(line for end in ends for line in end.logs)),
        left_out=(*progress.left_out, *(node for end in ends for node in end.left_out)),
        past=join_past(progress.past, (end.past for end in ends)),
        usage=sum((end.usage for end in ends), progress.usage),
    )


def add_usage(progress: Progress, usage: Usage) -> Progress:
    """Return the progress with usage added."""
    return changed(progress, usage=progress.usage + usage)


def _visited(progress: Progress, branches: Mapping[str, Progress]) -> Mapping[str, StageRecord]:
    """Return the record of each node that the branches visited."""
    visited: dict[str, StageRecord] = {}
    for key, walked in branches.items():
        for node, record in walked.stages.items():
            if record.visits > progress.visits(node):
                is_left_out = bool(record.branches) and set(record.branches) <= set(walked.left_out)
                seen = record if is_left_out else changed(record, branches=(key,))
                visited[node] = _put_together(visited.get(node), seen, before=progress.visits(node))
    return visited


def _put_together(known: StageRecord | None, new: StageRecord, *, before: int) -> StageRecord:
    """Combine the records of a node that several branches visited; the worst outcome counts."""
    if known is None:
        return new
    visits = known.visits + new.visits - before
    if new.outcome.is_success == known.outcome.is_success:
        branches = (*known.branches, *new.branches)
        return changed(new, visits=visits, branches=branches)
    worse = known if new.outcome.is_success else new
    return changed(worse, visits=visits)


LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""The time of the last activity if no activity of a process is known."""


@dataclass(frozen=True)
class WalkState:
    """The state of one walk.

    A branch has a name, a parent walk, and either its own workspace or the workspace of its parent.
    `is_over` is true after the walk ended or was canceled. `saved` is the sequence number of the
    event with the last tree of the walk. `given` are the values that were added to the context of
    the parent when the branch began. `branches` is the number of branches of this walk that are not
    joined.
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


Walks = Mapping[str, WalkState]
"""The walks by key, in the order in which they began: a parent comes before its branches."""


def begin_branch(walks: Walks, key: str, parent: str, branch: Branch, *, workspace: str) -> Walks:
    """Return the walks after a new branch of a walk has begun."""
    left = walks[parent]
    begun = WalkState(
        fork_off(left.progress, branch),
        name=branch.name,
        parent=parent,
        workspace=workspace,
        given=branch.updates,
    )
    return {**walks, parent: changed(left, branches=left.branches + 1), key: begun}


def end_branch(walks: Walks, key: str, *, is_given_up: bool) -> Walks:
    """Return the walks after a branch and all branches inside this branch have ended."""
    over = {
        branch: changed(
            walks[branch],
            progress=_with_what_was_used(walks[branch]),
            is_over=True,
            is_given_up=is_given_up,
            in_flight=None,
            questions=(),
        )
        for branch in with_inner_branches(walks, key)
    }
    return {**walks, **over}


def _with_what_was_used(walk: WalkState) -> Progress:
    """Return the progress of a walk that ends during a visit, including the usage of this visit."""
    flight = walk.in_flight
    return add_usage(walk.progress, flight.spent) if flight else walk.progress


def with_inner_branches(walks: Walks, key: str) -> Sequence[str]:
    """Return the key of a walk and the keys of all branches inside it."""
    if not walks[key].branches:
        return [key]
    found = {key: None}
    for branch, walk in walks.items():
        if branch and walk.parent in found:
            found[branch] = None
    return list(found)


def branches_of_attempt(walks: Walks, parent: str, attempt: str) -> Sequence[str]:
    """Return the branches that began at one attempt, in order."""
    if not walks[parent].branches:
        return []
    return [
        branch
        for branch, walk in walks.items()
        # The faster check first, because a long `for_each` has many walks.
        if walk.parent == parent and branch.startswith(attempt)
    ]


def join_visit(walks: Walks, key: str, visit: Visit) -> tuple[Progress, Walks]:
    """Return the progress of a walk after the branches of a visit are joined.

    Also return the other walks. Canceled branches, and branches of an earlier attempt, only add
    their usage.
    """
    progress, place = walks[key].progress, visit_key(key, visit.node, visit.number)
    if not walks[key].branches:
        return progress, walks
    begun = {branch: walk for branch, walk in walks.items() if branch.startswith(place)}
    if not begun:
        return progress, walks
    attempt = attempt_key(key, visit.node, visit.number, visit.attempts)
    ended = {
        branch: begun[branch].progress
        for branch in branches_of_attempt(walks, key, attempt)
        if begun[branch].progress.end and not begun[branch].is_given_up
    }
    lost = (walk.progress.usage for branch, walk in begun.items() if branch not in ended)
    progress = add_usage(join(progress, ended), sum(lost, NOTHING_USED))
    rest = {branch: walk for branch, walk in walks.items() if branch not in begun}
    return progress, with_branch_counts(rest)


def with_branch_counts(walks: Walks) -> Walks:
    """Return the walks, each with the number of its branches."""
    left = Counter(walk.parent for key, walk in walks.items() if key != MAIN)
    return {
        key: walk if walk.branches == left[key] else changed(walk, branches=left[key])
        for key, walk in walks.items()
    }


def stop_walks(walks: Walks, at: datetime) -> Walks:
    """Return the walks after the process that executed them has ended."""
    return _with_flights(walks, lambda flight: flight.left(at))


def stop_clocks(walks: Walks, at: datetime) -> Walks:
    """Return the walks of a run that begins to wait: the time of the wait does not count."""
    return _with_flights(walks, lambda flight: flight.waiting(at))


def continue_clocks(walks: Walks, at: datetime) -> Walks:
    """Return the walks of a run that continues after a wait."""
    return _with_flights(walks, lambda flight: flight.continued(at))


def _with_flights(walks: Walks, change: Callable[[InFlight], InFlight]) -> Walks:
    return {
        key: changed(walk, in_flight=change(walk.in_flight)) if walk.in_flight else walk
        for key, walk in walks.items()
    }


def interrupted_attempts(walks: Walks) -> Sequence[InFlight]:
    """Return the attempts that were interrupted and must be repeated.

    An attempt with branches is not repeated: its branches continue. An attempt with an open
    question waits.
    """
    return [
        walk.in_flight
        for key, walk in walks.items()
        if walk.in_flight
        and walk.in_flight.starts
        and not walk.questions
        and not _has_branches(walks, key, walk.in_flight)
    ]


def _has_branches(walks: Walks, key: str, flight: InFlight) -> bool:
    attempt = attempt_key(key, flight.node, flight.visit, flight.attempt)
    return bool(branches_of_attempt(walks, key, attempt))


def last_tree(walks: Walks, workspace: str) -> TreeId:
    """Return the latest recorded tree of a workspace, of a step or of an attempt that is followed
    by another.
    """
    of_it = [walk for walk in walks.values() if walk.workspace == workspace]
    latest = max(of_it, key=lambda walk: walk.saved)
    left = latest.in_flight.tree if latest.in_flight else ""
    return left or latest.progress.tree


def walk_to_record(walk: WalkState) -> dict[str, Json]:
    """Return the record of a walk without its progress, for the checkpoint."""
    flight = walk.in_flight
    return {
        "in_flight": write_record(flight) if flight else None,
        "questions": [question_to_record(question) for question in walk.questions],
        "name": walk.name,
        "parent": walk.parent,
        "workspace": walk.workspace,
        "is_over": walk.is_over,
        "is_given_up": walk.is_given_up,
        "saved": walk.saved,
        **({"given": dict(walk.given)} if walk.given else {}),
    }


def branches_to_records(walks: Walks) -> list[Json]:
    """Return the records of all branches, in order."""
    return [
        {
            **walk_to_record(walk),
            "key": key,
            "progress": progress_to_record(walk.progress),
        }
        for key, walk in walks.items()
        if key != MAIN
    ]


def walk_from_record(fields: Fields, progress: Progress) -> WalkState:
    """Read a walk from its record."""
    return WalkState(
        progress,
        fields.inner("in_flight").record(InFlight) if fields.has("in_flight") else None,
        tuple(question_from_record(question) for question in fields.inners("questions")),
        fields.text("name"),
        fields.text("parent"),
        fields.text("workspace"),
        fields.flag("is_over"),
        fields.flag("is_given_up"),
        fields.number("saved"),
        fields.members("given") if fields.has("given") else {},
    )


def branches_from_records(records: Sequence[Fields]) -> dict[str, WalkState]:
    """Read the branches from their records."""
    return {
        record.text("key"): walk_from_record(record, progress_from_record(record.inner("progress")))
        for record in records
    }


def put_question(walk: WalkState, question: Question) -> WalkState:
    """Return a walk with an open question added.

    A question that is asked again keeps its first deadline.
    """
    before = next((other for other in walk.questions if other.id == question.id), None)
    if before is None:
        return replace(walk, questions=(*walk.questions, question))
    asked = replace(question, deadline=before.deadline or question.deadline)
    questions = tuple(asked if other is before else other for other in walk.questions)
    return replace(walk, questions=questions)


def drop_question(walk: WalkState, id_: str) -> WalkState:
    """Return a walk without one of its open questions."""
    others = tuple(question for question in walk.questions if question.id != id_)
    return replace(walk, questions=others)


def is_of_child(walk: WalkState, id_: str) -> bool:
    """Return whether the child of the attempt in flight asks a question."""
    flight = walk.in_flight
    return flight is not None and id_.startswith(f"{flight.id}{OF_CHILD}")


def find_asker(walks: Walks, id_: str) -> tuple[str, InFlight] | None:
    """Return the key and the attempt of the walk that asks a question, directly or in its child
    run.
    """
    for key, walk in walks.items():
        if walk.in_flight and (_is_own(walk.in_flight, id_) or is_of_child(walk, id_)):
            return key, walk.in_flight
    return None


def without_answers(answers: Mapping[str, Answer], ids: Collection[str]) -> dict[str, Answer]:
    """Return answers without the answers to some questions."""
    return {id_: answer for id_, answer in answers.items() if id_ not in ids}


def _is_own(flight: InFlight, id_: str) -> bool:
    return id_.partition(BESIDES)[0] == flight.id or id_ == flight.id
