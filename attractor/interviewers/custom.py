"""Adapts an interviewer of the caller: an object with `ask`, or a function."""

import io
from collections.abc import Sequence
from typing import Protocol, cast

from attractor.base.callables import call
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.questions.question import Answer, Interviewer, Question
from attractor.interviewers.callback import Callback
from attractor.interviewers.registry import AnswerFunction, InterviewerParts, Reply, read_reply

_HINT = "pass an object with ask(question), or a function; it returns an Answer, a text or None"


class AskingInterviewer(Protocol):
    """An interviewer with only the method `ask`; this method is not async and can block."""

    def ask(self, question: Question) -> Reply:
        """Ask a person, and wait for the answer."""
        ...


AnyInterviewer = Interviewer | AskingInterviewer | AnswerFunction


@dataclass(frozen=True)
class _Adapted:
    """An interviewer made from an object with a method `ask`, async or not."""

    asker: AskingInterviewer

    async def ask(self, question: Question) -> Answer:
        return read_reply(await call(self.asker.ask, question))

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        together = getattr(self.asker, "ask_multiple", None)
        if together is None:
            return [await self.ask(question) for question in questions]
        replies = await call(together, questions)
        if not isinstance(replies, Sequence) or isinstance(replies, str):
            raise UsageError("ask_multiple returned an invalid list of answers", hint=_HINT)
        return [read_reply(one) for one in cast(Sequence[object], replies)]

    async def inform(self, message: str, stage: str) -> None:
        if inform := getattr(self.asker, "inform", None):
            await call(inform, message, stage)


def adapt_interviewer(interviewer: AnyInterviewer) -> Interviewer:
    """Return an interviewer as the engine calls it, or raise UsageError."""
    if isinstance(interviewer, type):
        hint = f"pass an object: {interviewer.__name__}()"
        raise UsageError("the interviewer is a class", hint=hint)
    if callable(getattr(interviewer, "ask", None)):
        return _Adapted(cast(AskingInterviewer, interviewer))
    if not callable(interviewer):
        raise UsageError("the interviewer has no method ask", hint=_HINT)
    nobody = io.StringIO()
    return Callback(InterviewerParts(input=nobody, output=nobody, callback=interviewer))
