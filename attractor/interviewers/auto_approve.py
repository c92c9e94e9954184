"""Approves every question: answers yes, or selects the first choice."""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.engine.questions.question import (
    AUTO_APPROVED,
    Answer,
    AnswerKind,
    Question,
    QuestionKind,
    ask_each,
)
from attractor.engine.seams import Parked
from attractor.interviewers.registry import InterviewerParts

NAME = "auto_approve"


@dataclass(frozen=True)
class AutoApprove:
    """Answers without a person; the author of the answers is its name (attractor-spec 6.4)."""

    parts: InterviewerParts

    async def ask(self, question: Question) -> Answer:
        """Return the approving answer; what an agent may do is left open for a person."""
        if question.kind is QuestionKind.APPROVAL:
            raise Parked(question)
        return Answer(AnswerKind.GIVEN, _approval(question), by=NAME, proof=AUTO_APPROVED)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one question after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Ignore the message."""


def _approval(question: Question) -> str:
    if question.kind in (QuestionKind.YES_NO, QuestionKind.CONFIRMATION):
        return "yes"
    if question.kind is QuestionKind.MULTIPLE_CHOICE and question.options:
        return question.options[0].key
    return "auto-approved"


part = AutoApprove
