"""Answers that were left for a run, given before anybody is asked again."""

from collections.abc import Callable

from attractor.engine.seams import Answer, Interviewer, Question

AnswerTo = Callable[[Question], Answer | None]
"""Returns the answer that was left to a question, if any."""


class AnsweredFirst:
    """An interviewer that first looks for an answer left for the run, and else asks another."""

    def __init__(self, interviewer: Interviewer, answer_to: AnswerTo) -> None:
        self._interviewer = interviewer
        self._answer_to = answer_to
        self._given: set[str] = set()

    async def ask(self, question: Question) -> Answer:
        """Give the answer that was left, once; when it was none of the choices, ask."""
        if question.id not in self._given and (answer := self._answer_to(question)):
            self._given.add(question.id)
            return answer
        return await self._interviewer.ask(question)

    async def inform(self, message: str, stage: str) -> None:
        """Pass a message on."""
        await self._interviewer.inform(message, stage)
