"""Has a function of the caller's answer."""

from collections.abc import Awaitable, Sequence

from attractor.base.errors import UsageError
from attractor.engine.questions.question import Answer, Question, ask_each
from attractor.interviewers.registry import InterviewerParts, read_reply


class Callback:
    """Hands every question to a function, plain or async (attractor-spec 6.4).

    A plain function has to answer at once: while it works, nothing else does, time limits included.
    """

    def __init__(self, parts: InterviewerParts) -> None:
        if parts.callback is None:
            raise UsageError(
                "the interviewer 'callback' was given no function to call",
                hint="give it one that takes a Question and returns an Answer, or words",
            )
        self._callback = parts.callback

    async def ask(self, question: Question) -> Answer:
        """Let the function answer."""
        reply = self._callback(question)
        return read_reply(await reply if isinstance(reply, Awaitable) else reply)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Tell nobody: the function only answers."""


part = Callback
