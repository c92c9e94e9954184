"""Lets the question wait in the run's folder, and holds no process meanwhile."""

from dataclasses import dataclass

from attractor.engine.seams import Answer, Parked, Question
from attractor.interviewers.parts import InterviewerParts


@dataclass(frozen=True)
class Park:
    """Ends the walk at the question; whoever resumes the run brings the answer (ruling R5)."""

    parts: InterviewerParts

    async def ask(self, question: Question) -> Answer:
        """Park the question."""
        raise Parked(question)

    async def inform(self, message: str, stage: str) -> None:
        """Tell nobody: nobody is there."""


part = Park
