"""The state of each walk of a run: the walk from the start, and its branches."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import Json
from attractor.engine.outcome import NOTHING_USED
from attractor.engine.questions.question import (
    BESIDES,
    OF_CHILD,
    Answer,
    Question,
    question_from_record,
    question_to_record,
)
from attractor.engine.state.branches import Branch, fork_off, join, spend
from attractor.engine.state.identifiers import MAIN, TreeId, attempt_key, visit_key
from attractor.engine.state.in_flight import InFlight, flight_from_record, flight_to_record
from attractor.engine.state.progress import (
    Progress,
    Visit,
    progress_from_record,
    progress_to_record,
)
from attractor.engine.storage.json_files import Fields

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


def put_question(strand: WalkState, question: Question) -> WalkState:
    """Return a walk that asks a question; asked again, it has the time that it had."""
    before = next((one for one in strand.questions if one.id == question.id), None)
    if before is None:
        return replace(strand, questions=(*strand.questions, question))
    asked = replace(question, deadline=before.deadline or question.deadline)
    questions = tuple(asked if one is before else one for one in strand.questions)
    return replace(strand, questions=questions)


def drop_question(strand: WalkState, id_: str) -> WalkState:
    """Return a walk that does not ask a question any more."""
    return replace(strand, questions=tuple(one for one in strand.questions if one.id != id_))


def is_of_child(strand: WalkState, id_: str) -> bool:
    """Tell whether a question is asked by the child of the attempt at work."""
    flight = strand.in_flight
    return flight is not None and id_.startswith(f"{flight.id}{OF_CHILD}")


def find_asker(strands: Strands, id_: str) -> tuple[str, InFlight] | None:
    """Return the walk whose attempt asks a question, or has a child that does."""
    for key, strand in strands.items():
        if strand.in_flight and (_is_own(strand.in_flight, id_) or is_of_child(strand, id_)):
            return key, strand.in_flight
    return None


def without(answers: Mapping[str, Answer], ids: Collection[str]) -> dict[str, Answer]:
    """Return the answers but those to some questions."""
    return {id_: one for id_, one in answers.items() if id_ not in ids}


def _is_own(flight: InFlight, id_: str) -> bool:
    return id_.partition(BESIDES)[0] == flight.id or id_ == flight.id
