"""Answers from a list: one answer for each question, in order."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from attractor.engine.questions.question import (
    ANSWERS_FILE,
    Answer,
    AnswerKind,
    ApprovalChoice,
    Question,
    QuestionKind,
    ask_each,
)
from attractor.interviewers.registry import InterviewerParts

NAME = "queue"


class Queue:
    """Returns the answers in order; after the last answer, every question is skipped.

    A resumed run does not repeat answers that an earlier process has used.
    """

    def __init__(self, parts: InterviewerParts) -> None:
        self._answers = deque(parts.answers[parts.taken :])

    async def ask(self, question: Question) -> Answer:
        """Return the next answer; the answers are those of gates, and allow no tool call."""
        if question.kind is QuestionKind.APPROVAL:
            # Without an author: those of this name count as answers from the list.
            return Answer(AnswerKind.GIVEN, ApprovalChoice.DENY, proof=ANSWERS_FILE)
        if not self._answers:
            return Answer(AnswerKind.SKIPPED, by=NAME)
        answer = self._answers.popleft()
        return replace(answer, by=answer.by or NAME, proof=ANSWERS_FILE)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one question after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Ignore the message."""


part = Queue
