"""Finds out what an answer means: which option, yes or no, or the words themselves.

Says why an answer cannot be taken now.

What one walk asks people: which questions are its own, and which are those of a child.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from attractor.base.errors import UsageError
from attractor.engine.interfaces import stage_id
from attractor.engine.orders import Order
from attractor.engine.questions.question import Answer, AnswerKind, Option, Question, QuestionKind
from attractor.engine.routing.edge_labels import normalize_label
from attractor.engine.stage_report import shorten
from attractor.engine.state.branch_state import Strands, WalkState
from attractor.engine.state.progress import InFlight
from attractor.engine.state.run_state import RunState

TARGETS = "targets"
"""What the metadata of a question has besides: for each option the node it leads to."""

LONGEST_WORDS = 200
_YES_OR_NO = {"y": "yes", "yes": "yes", "n": "no", "no": "no"}
_YES_NO_KINDS = (QuestionKind.YES_NO, QuestionKind.CONFIRMATION)

T = TypeVar("T")


def fold_words(text: str) -> str:
    """Return words as they are compared: without blanks around them, in any case."""
    return text.strip().casefold()


def pick_one(said: str, among: Iterable[T], readings: Sequence[Callable[[T], str]]) -> T | None:
    """Return the one that is meant by what is said of it, by the first reading that finds any."""
    words, those = fold_words(said), list(among)
    for read in readings:
        meant = [one for one in those if words and fold_words(read(one)) == words]
        if meant:
            # Of two that could be meant neither is chosen.
            return meant[0] if len(meant) == 1 else None
    return None


def find_option(said: str, question: Question) -> Option | None:
    """Return the option that is meant by its key, its label or where it leads, if any is."""
    targets = question.metadata.get(TARGETS)
    leads = targets if isinstance(targets, dict) else {}
    return pick_one(
        said,
        question.options,
        [
            lambda one: one.key,
            lambda one: one.label,
            lambda one: normalize_label(one.label),
            lambda one: str(leads.get(one.key, "")),
        ],
    )


def read_answer(said: str, question: Question, *, by: str = "") -> Answer | None:
    """Return the answer that somebody's words are; nothing when they are none to the question."""
    given = Answer(AnswerKind.GIVEN, said, by, text=said)
    if question.kind in _YES_NO_KINDS:
        value = _YES_OR_NO.get(fold_words(said))
        return replace(given, value=value) if value else None
    if question.kind is QuestionKind.FREEFORM or not question.options:
        return given
    option = find_option(said, question)
    return replace(given, value=option.key, selected_option=option) if option else None


def require_answer(said: str, question: Question, *, by: str = "") -> Answer:
    """Return the answer that somebody's words are, or refuse them."""
    answer = read_answer(said, question, by=by) if said.strip() else None
    if answer is None:
        hint = f"choose one of {name_choices(question)}" if _has_choices(question) else ""
        raise UsageError(refusal_of(said, question), hint=hint)
    return answer


def complete(answer: Answer, question: Question) -> Answer:
    """Return an answer with the option that it means; one that means none stays as it is."""
    if answer.kind is not AnswerKind.GIVEN:
        return answer
    read = read_answer(answer.value, question, by=answer.by)
    return replace(read, text=answer.text or answer.value) if read else answer


def refusal_of(said: str, question: Question) -> str:
    """Say that words are no answer to a question."""
    words = repr(shorten(said, LONGEST_WORDS))
    if not _has_choices(question):
        return f"{words} is no answer"
    return f"{words} is none of the choices"


def name_choices(question: Question) -> str:
    """Return what can be chosen, in one line."""
    return ", ".join(f"{one.key} ({one.label})" for one in choices_of(question))


def choices_of(question: Question) -> Sequence[Option]:
    """Return what can be chosen: yes or no, one of the options, or nothing: any words will do."""
    if question.kind in _YES_NO_KINDS:
        return (Option("yes", "Yes"), Option("no", "No"))
    return () if question.kind is QuestionKind.FREEFORM else question.options


def _has_choices(question: Question) -> bool:
    return bool(choices_of(question))


def refuse_answer(order: Order, state: RunState, now: datetime) -> str:
    """Return why an answer is refused; nothing when it is the first good one, and in time."""
    asked = next((one for one in state.asked if one.id == order.question), None)
    if asked is None:
        return "refused: this is not the question asked"
    if before := state.answers.get(asked.id):
        return f"refused: {before.by or 'somebody'} answered before: {before.value or before.kind}"
    if is_late(asked, now):
        return f"refused: its time was up at {asked.deadline}"
    if read_answer(order.value, asked) is None:
        return f"refused: {refusal_of(order.value, asked)}: {name_choices(asked)}"
    return ""


def is_late(question: Question, now: datetime) -> bool:
    """Tell whether the time of a question is up."""
    return bool(question.deadline) and datetime.fromisoformat(question.deadline) <= now


OF_CHILD = "/"
"""Stands between an attempt and what its child asks."""

BESIDES = "#"
"""Stands between an attempt and the name of one of several questions that it asks."""


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


def of_child(name: str, question: Question) -> Question:
    """Return a question of a child by the name that it has at the parent."""
    prefix = f"{name}{OF_CHILD}"
    within = tuple(replace(one, key=prefix + one.key) for one in question.within)
    return replace(question, id=prefix + question.id, within=within)


def is_of_child(strand: WalkState, id_: str) -> bool:
    """Tell whether a question is asked by the child of the attempt at work."""
    flight = strand.in_flight
    return flight is not None and id_.startswith(f"{_id_of(flight)}{OF_CHILD}")


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
    return id_.partition(BESIDES)[0] == _id_of(flight) or id_ == _id_of(flight)


def _id_of(flight: InFlight) -> str:
    return stage_id(flight.node, flight.visit, flight.attempt)
