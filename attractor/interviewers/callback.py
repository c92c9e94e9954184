"""Passes each question to a function of the caller."""

from collections.abc import Awaitable, Sequence

from attractor.base.errors import UsageError
from attractor.engine.questions.question import Answer, Question, ask_each
from attractor.interviewers.registry import InterviewerParts, read_reply


class Callback:
    """Passes every question to a function, plain or async (attractor-spec 6.4).

    A plain function must return quickly, because it blocks all other tasks and time limits.
    """

    def __init__(self, parts: InterviewerParts) -> None:
        if parts.callback is None:
            raise UsageError(
                "the interviewer 'callback' has no function",
                hint="pass a function that takes a Question and returns an Answer or a text",
            )
        self._callback = parts.callback

    async def ask(self, question: Question) -> Answer:
        """Call the function, and return its answer."""
        reply = self._callback(question)
        return read_reply(await reply if isinstance(reply, Awaitable) else reply)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one question after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Ignore the message."""


part = Callback
