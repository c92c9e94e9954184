"""Who asks people where nobody was said to be there: every question waits."""

from collections.abc import Sequence

from attractor.engine.asking import Answer, Interviewer, Question
from attractor.engine.seams import Parked


class Absent:
    """An interviewer that leaves every question in the journal."""

    async def ask(self, question: Question) -> Answer:
        """Park the question."""
        raise Parked(question)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Park the first of the questions."""
        return [await self.ask(one) for one in questions]

    async def inform(self, message: str, stage: str) -> None:
        """Tell nobody."""


NOBODY: Interviewer = Absent()
