"""What one walk asks people: which questions are its own, and which are those of a child."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from attractor.engine.asking import Answer, Question
from attractor.engine.flights import InFlight
from attractor.engine.seams import stage_id
from attractor.engine.strands import Strand, Strands

OF_CHILD = "/"
"""Stands between an attempt and what its child asks."""

BESIDES = "#"
"""Stands between an attempt and the name of one of several questions that it asks."""


def put_question(strand: Strand, question: Question) -> Strand:
    """Return a walk that asks a question; asked again, it has the time that it had."""
    before = next((one for one in strand.questions if one.id == question.id), None)
    if before is None:
        return replace(strand, questions=(*strand.questions, question))
    asked = replace(question, deadline=before.deadline or question.deadline)
    questions = tuple(asked if one is before else one for one in strand.questions)
    return replace(strand, questions=questions)


def drop_question(strand: Strand, id_: str) -> Strand:
    """Return a walk that does not ask a question any more."""
    return replace(strand, questions=tuple(one for one in strand.questions if one.id != id_))


def of_child(name: str, question: Question) -> Question:
    """Return a question of a child by the name that it has at the parent."""
    prefix = f"{name}{OF_CHILD}"
    within = tuple(replace(one, key=prefix + one.key) for one in question.within)
    return replace(question, id=prefix + question.id, within=within)


def is_of_child(strand: Strand, id_: str) -> bool:
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
