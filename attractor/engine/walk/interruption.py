"""Decides how a resumed run continues a stage that was interrupted (`if_interrupted`)."""

from collections.abc import Sequence
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.questions.answers import describe_choices, describe_refusal, find_option
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    Option,
    Question,
    QuestionKind,
    answer_to_record,
    question_to_record,
)
from attractor.engine.seams import Handler, Parked, Stage
from attractor.engine.state.in_flight import InFlight
from attractor.engine.walk.walk import Walk
from attractor.language.graph.graph import Node

MAX_TRIES = 3
"""How often a person is asked again after an answer that matches no choice."""


class InterruptionChoice(StrEnum):
    """The choices of a person about an interrupted stage."""

    REPEAT = "repeat"
    DONE = "done"
    FAIL = "fail"


CHOICES: Sequence[Option] = (
    Option(InterruptionChoice.REPEAT.value, "Repeat it from its beginning"),
    Option(InterruptionChoice.DONE.value, "It is done: continue as after a success"),
    Option(InterruptionChoice.FAIL.value, "It failed: continue as after a failure"),
)


@dataclass(frozen=True)
class FixedOutcome:
    """Replaces the handler of an interrupted stage that must not be repeated."""

    outcome: Outcome

    async def execute(self, stage: Stage) -> Outcome:
        """Return the outcome without doing anything."""
        return self.outcome


async def settle_interruption(
    walk: Walk, node: Node, flight: InFlight, handler: Handler
) -> Handler:
    """Return the handler of an interrupted attempt: its own, or one that repeats nothing.

    The effects of a stage outside the workspace cannot be undone, so its node decides.
    """
    match node.attributes.text("if_interrupted"):
        case "fail":
            return FixedOutcome(_failed("if_interrupted=fail"))
        case "ask":
            return await _ask(walk, node, flight, handler)
        case _:
            return handler


async def _ask(walk: Walk, node: Node, flight: InFlight, handler: Handler) -> Handler:
    question = _question(node, flight)
    place = walk.reference(flight.node, flight.visit, flight.attempt)
    asked = question_to_record(question)
    walk.run.emit("InterviewStarted", {"question": asked}, place=place)
    answer = await _answer(walk, question)
    data: dict[str, Json] = {"question": asked, "answer": answer_to_record(answer)}
    walk.run.emit("InterviewCompleted", data, place=place)
    by = answer.by or "a person"
    match find_option(answer.value, question):
        case Option(key=InterruptionChoice.DONE):
            return FixedOutcome(success(f"interrupted, and done according to {by}"))
        case Option(key=InterruptionChoice.FAIL):
            return FixedOutcome(_failed(f"failed according to {by}"))
        case _:
            return handler


async def _answer(walk: Walk, question: Question) -> Answer:
    """Ask until the answer is one of the choices; without an answer, park the question."""
    interviewer = walk.interviewer
    if interviewer is None:
        raise Parked(question)
    for _ in range(MAX_TRIES):
        answer = await interviewer.ask(question)
        if answer.kind is not AnswerKind.GIVEN:
            break
        if find_option(answer.value, question):
            return answer
        words = f"{describe_refusal(answer.value, question)}: {describe_choices(question)}"
        await interviewer.inform(words, question.stage)
    raise Parked(question)


def _question(node: Node, flight: InFlight) -> Question:
    name = node.id if node.label == node.id else f"{node.id} ({node.label})"
    return Question(
        id=flight.interruption,
        text=f"The stage {name} was interrupted when the run stopped: its effects may have "
        "happened in whole or in part. How does the run continue?",
        kind=QuestionKind.MULTIPLE_CHOICE,
        options=CHOICES,
        stage=node.id,
    )


def _failed(why: str) -> Outcome:
    return failure(f"interrupted, and {why}", FailureClass.TERMINAL)
