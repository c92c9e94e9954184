"""Decides how a resumed run continues a stage that was interrupted (`if_interrupted`)."""

from collections.abc import Sequence
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.questions.answers import find_option, name_choices, refusal_of
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
from attractor.engine.state.identifiers import StageReference
from attractor.engine.state.in_flight import InFlight
from attractor.engine.walk.walk import WalkHandle
from attractor.language.graph.graph import Node

ASKED_AT_MOST = 3


class InterruptionChoice(StrEnum):
    """What a person may choose for a stage that was interrupted."""

    REPEAT = "repeat"
    DONE = "done"
    FAIL = "fail"


CHOICES: Sequence[Option] = (
    Option(InterruptionChoice.REPEAT.value, "Do it again, from its beginning"),
    Option(InterruptionChoice.DONE.value, "It is done: go on as after a success"),
    Option(InterruptionChoice.FAIL.value, "It failed: go on as after a failure"),
)


@dataclass(frozen=True)
class Settled:
    """Stands in for a handler whose work was cut off and that must not do it twice."""

    outcome: Outcome

    async def execute(self, stage: Stage) -> Outcome:
        """Return what was said of the stage, and do nothing."""
        return self.outcome


@dataclass(frozen=True)
class Interruption:
    """A stage that a walk finds in flight, and that nobody is at work on any more."""

    line: WalkHandle
    node: Node
    flight: InFlight

    async def settle(self, handler: Handler) -> Handler:
        """Return what makes the attempt now: its handler, or one that does nothing."""
        match self.node.attributes.text("if_interrupted"):
            case "fail":
                return Settled(_failed("if_interrupted=fail"))
            case "ask":
                return await self._asked(handler)
            case _:
                return handler

    async def _asked(self, handler: Handler) -> Handler:
        question = self._question
        self._tell("InterviewStarted", question=question_to_record(question))
        answer = await self._answer(question)
        record = answer_to_record(answer)
        self._tell("InterviewCompleted", question=question_to_record(question), answer=record)
        by = answer.by or "a person"
        match find_option(answer.value, question):
            case Option(key=InterruptionChoice.DONE):
                return Settled(success(f"interrupted, and done in the word of {by}"))
            case Option(key=InterruptionChoice.FAIL):
                return Settled(_failed(f"failed in the word of {by}"))
            case _:
                return handler

    async def _answer(self, question: Question) -> Answer:
        """Ask until one of the choices is said; where nobody says one, the question waits."""
        interviewer = self.line.journey.interviewer
        for _ in range(ASKED_AT_MOST):
            answer = await interviewer.ask(question)
            if answer.kind is not AnswerKind.GIVEN:
                break
            if find_option(answer.value, question):
                return answer
            words = f"{refusal_of(answer.value, question)}: {name_choices(question)}"
            await interviewer.inform(words, question.stage)
        raise Parked(question)

    def _tell(self, kind: str, **data: Json) -> None:
        flight = self.flight
        place = StageReference(flight.node, flight.visit, flight.attempt)
        self.line.run.emit(kind, data, place=self.line.place(place))

    @property
    def _question(self) -> Question:
        node = self.node
        name = node.id if node.label == node.id else f"{node.id} ({node.label})"
        return Question(
            id=self.flight.interruption,
            text=f"The stage {name} was at work when the run stopped: what it does may have "
            "happened, in whole or in part. What now?",
            kind=QuestionKind.MULTIPLE_CHOICE,
            options=CHOICES,
            stage=node.id,
        )


def _failed(why: str) -> Outcome:
    return failure(f"interrupted, and {why}", FailureClass.TERMINAL)
