"""Parks every question: the question waits in the run directory, without a process."""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.engine.questions.question import Answer, Question, ask_each
from attractor.engine.seams import Parked
from attractor.interviewers.registry import InterviewerParts


@dataclass(frozen=True)
class Park:
    """Ends the walk at the question; a resume continues with the answer (ruling R5)."""

    parts: InterviewerParts

    async def ask(self, question: Question) -> Answer:
        """Raise Parked, so that the question waits in the run directory."""
        raise Parked(question)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one question after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Ignore the message."""


part = Park
