"""Asks a person, and takes whichever answer comes first: theirs, or one from elsewhere."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from attractor.base.clock import Clock, SystemClock
from attractor.engine.interfaces import Parked
from attractor.engine.questions.answer_options import complete
from attractor.engine.questions.ask import Questions, Unkept
from attractor.engine.questions.question import Answer, AnswerKind, Interviewer, Question
from attractor.engine.walk import POLL


@runtime_checkable
class Overhears(Protocol):
    """An interviewer that wants to know what was answered without it."""

    def overhear(self, question: Question, answer: Answer) -> None:
        """Take note of an answer that somebody else gave."""
        ...


class AnsweredFirst:
    """An interviewer that gives what was answered already, and else has another one ask.

    What is asked and what is answered stands in the journal of the run: while one person is asked,
    another one may answer from another terminal, and the first answer counts.
    """

    def __init__(
        self,
        interviewer: Interviewer,
        questions: Questions | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._interviewer = interviewer
        self._questions = questions or Unkept()
        self._clock = clock or SystemClock()
        self._given: set[str] = set()

    async def ask(self, question: Question) -> Answer:
        """Give an answer that there is already, once; when it was none of the choices, ask."""
        known = None if question.id in self._given else self._questions.answer_to(question)
        if known is None:
            return await self._ask(self._questions.ask(question))
        return self._taken(question, self._questions.settle(question, known), is_ours=False)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Pass a message on."""
        await self._interviewer.inform(message, stage)

    async def _ask(self, question: Question) -> Answer:
        """Ask, until there is an answer from wherever, or no time left."""
        limit = self._time_left(question)
        if limit is not None and limit <= 0:
            return self._taken(question, self._timed_out(question), is_ours=False)
        asking = asyncio.create_task(self._interviewer.ask(self._questions.named(question)))
        elsewhere = asyncio.create_task(self._hear_of(question))
        try:
            await asyncio.wait(
                (asking, elsewhere), timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
            is_cut_off = asking.cancelled()
        finally:
            asking.cancel()
            elsewhere.cancel()
            await asyncio.wait((asking, elsewhere))
            # Also when we are stopped at this very moment: what was said is not lost.
            said = _result(asking)
            first = self._questions.settle(question, said) if said else None
        if is_cut_off:
            raise asyncio.CancelledError
        if first is None:
            return await self._without_them(question, asking, _result(elsewhere))
        if first is not said:
            await self._tell(question, first, lost=said)
        return self._taken(question, first, is_ours=first is said)

    async def _without_them(
        self, question: Question, asking: "asyncio.Task[Answer]", answer: Answer | None
    ) -> Answer:
        """Take the answer from elsewhere; else time is up, or asking failed."""
        if answer is None and not asking.cancelled():
            _raise(asking, question)
        first = self._questions.settle(question, answer) if answer else self._timed_out(question)
        await self._tell(question, first)
        return self._taken(question, first, is_ours=False)

    def _time_left(self, question: Question) -> float | None:
        if not question.deadline:
            return question.timeout_seconds
        until = datetime.fromisoformat(question.deadline)
        return (until - self._clock.now()).total_seconds()

    async def _hear_of(self, question: Question) -> Answer:
        """Wait until somebody answers from elsewhere."""
        while (answer := self._questions.answer_to(question)) is None:
            await self._clock.sleep(POLL)
        return answer

    def _timed_out(self, question: Question) -> Answer:
        late = Answer(AnswerKind.TIMEOUT, question.default)
        return self._questions.settle(question, late)

    async def _tell(self, question: Question, first: Answer, *, lost: Answer | None = None) -> None:
        """Say to whoever was asked how the question was met without them."""
        is_late = first.kind is AnswerKind.TIMEOUT
        who = "time is up" if is_late else f"{first.by or 'somebody'} answered"
        words = f"{who}: {first.value}" if first.value else who
        if lost is not None:
            words = f"{words}; {lost.text or lost.value!r} came too late and is not taken"
        await self._interviewer.inform(words, question.stage)

    def _taken(self, question: Question, answer: Answer, *, is_ours: bool) -> Answer:
        self._given.add(question.id)
        whole = complete(answer, question)
        if not is_ours and isinstance(self._interviewer, Overhears):
            self._interviewer.overhear(self._questions.named(question), whole)
        return whole


async def ask_each(interviewer: Interviewer, questions: Sequence[Question]) -> Sequence[Answer]:
    """Ask several things one after the other."""
    return [await interviewer.ask(one) for one in questions]


def _result(task: "asyncio.Task[Answer]") -> Answer | None:
    """Return what a task came to, if it came to anything."""
    if not task.done() or task.cancelled() or task.exception() is not None:
        return None
    return task.result()


def _raise(asking: "asyncio.Task[Answer]", question: Question) -> None:
    """Raise what asking came to; a question is parked by the name that its own run knows."""
    try:
        asking.result()
    except Parked as parked:
        raise Parked(question) from parked
