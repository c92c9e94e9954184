"""Asks people the questions of a run, and records questions and answers in the journal."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, canonical_json
from attractor.engine.context import ReadValue, reader
from attractor.engine.journal.events import QuestionAsked, QuestionSettled
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    EnclosingBranch,
    Interviewer,
    Question,
    QuestionKind,
    answer_to_record,
    ask_each,
    of_child,
    question_to_record,
    with_option,
)
from attractor.engine.run_folder.inbox import POLL
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Parked
from attractor.engine.state.attempts import MAIN, NO_PLACE, StageReference
from attractor.engine.state.walks import Walks, WalkState, find_asker, is_of_child
from attractor.engine.truncation import shorten

LONGEST_ITEM = 4000
"""The maximum length of an item in a question, in characters of the item's JSON.

A longer item is truncated in the question; the context has the whole item.
"""

APPROVAL_PATIENCE = timedelta(minutes=1)
"""The time after which an agent that asks about a tool call is parked without a process."""

ITEM, INDEX, COUNT = "work.item", "work.index", "work.count"


def branches_around(
    walks: Walks, key: str, read: ReadValue, clean: Callable[[Json], Json]
) -> tuple[EnclosingBranch, ...]:
    """Return the branches that contain a walk, outermost first; the last is the walk's own branch.

    `clean` removes secrets from an item before the item is truncated.
    """
    branches: list[EnclosingBranch] = []
    while key != MAIN and key in walks:
        walk = walks[key]
        branches.append(_within(walks, key, walk, read, clean))
        key = walk.parent
    return tuple(reversed(branches))


def _within(
    walks: Walks, key: str, walk: WalkState, read: ReadValue, clean: Callable[[Json], Json]
) -> EnclosingBranch:
    fork = walks[walk.parent].in_flight if walk.parent in walks else None
    index, count = _number(walk.given, INDEX), _number(walk.given, COUNT)
    item = clean(read(walk.given.get(ITEM))) if index else None
    return EnclosingBranch(key, walk.name, fork.node if fork else "", _bounded(item), index, count)


def _bounded(item: Json) -> Json:
    written = item if isinstance(item, str) else canonical_json(item)
    return item if len(written) <= LONGEST_ITEM else shorten(written, LONGEST_ITEM)


def _number(given: Mapping[str, Json], name: str) -> int:
    value = given.get(name)
    return value if isinstance(value, int) else 0


class Questions(Protocol):
    """Records questions and answers durably, so that other processes can read them."""

    def named(self, question: Question) -> Question:
        """Return a question with the branches that contain it."""
        ...

    def answer_to(self, question: Question) -> Answer | None:
        """Return the answer to a question, or None if the question has no answer yet."""
        ...

    def ask(self, question: Question) -> Question:
        """Record a question, and return the question with its deadline."""
        ...

    def settle(self, question: Question, answer: Answer) -> Answer:
        """Record an answer, and return the first recorded answer, because only the first answer
        counts.
        """
        ...


class UnrecordedQuestions:
    """Records nothing: only the interviewer of this process can answer a question."""

    def named(self, question: Question) -> Question:
        """Return the question unchanged."""
        return question

    def answer_to(self, question: Question) -> Answer | None:
        """Return None: no other process can answer."""
        return None

    def ask(self, question: Question) -> Question:
        """Return the question unchanged."""
        return question

    def settle(self, question: Question, answer: Answer) -> Answer:
        """Return the answer unchanged."""
        return answer


@dataclass(frozen=True)
class RunQuestions:
    """Records the questions of one run in the journal of the run."""

    run: OpenRun

    def named(self, question: Question) -> Question:
        """Return a question with the branches of the run that contain it."""
        found = find_asker(self.run.state.walks, question.id)
        if found is None:
            return question
        walks, (key, _) = self.run.state.walks, found
        redactor = self.run.redactor
        own = branches_around(walks, key, reader(self.run.blobs), redactor.json)
        inner = question.within if is_of_child(walks[key], question.id) else ()
        return replace(question, within=(*own, *inner))

    def answer_to(self, question: Question) -> Answer | None:
        """Return the answer in the journal, or None."""
        return self.run.answer_to(question)

    def ask(self, question: Question) -> Question:
        """Record a question with its deadline."""
        deadline = question.deadline or self._deadline(question)
        asked = self.named(replace(question, deadline=deadline))
        place = self._place(question.id)
        if place is None:
            return asked
        self.run.record(QuestionAsked(question_to_record(asked)), place=place)
        return next((one for one in self.run.state.asked if one.id == question.id), asked)

    def settle(self, question: Question, answer: Answer) -> Answer:
        """Record an answer, unless the journal already contains an answer."""
        known = self.run.answer_to(question)
        first = known or answer
        # First the child records an answer from this inbox, then this run.
        if self._is_open(question.id) and (known is None or self._is_of_child(question.id)):
            settled = QuestionSettled(question.id, answer_to_record(first))
            self.run.record(settled, place=self._place(question.id) or NO_PLACE)
        return first

    def _is_open(self, id_: str) -> bool:
        return any(one.id == id_ for one in self.run.state.asked)

    def _is_of_child(self, id_: str) -> bool:
        return any(is_of_child(walk, id_) for walk in self.run.state.walks.values())

    def _place(self, id_: str) -> StageReference | None:
        found = find_asker(self.run.state.walks, id_)
        if found is None:
            return None
        key, flight = found
        return StageReference(flight.node, flight.visit, flight.attempt, key or None)

    def _deadline(self, question: Question) -> str:
        if question.timeout_seconds is None:
            return ""
        return (self.run.clock.now() + timedelta(seconds=question.timeout_seconds)).isoformat()


@dataclass(frozen=True)
class ChildQuestions:
    """Records the questions of a child run in the journals of the child and of the parent."""

    parent: Questions
    name: str
    run: OpenRun

    def named(self, question: Question) -> Question:
        """Return a question with the branches and the id of the outermost run."""
        return self.parent.named(self._at_parent(self._own.named(question)))

    def answer_to(self, question: Question) -> Answer | None:
        """Return the answer in the journal of the child or of a parent, or None."""
        return self._own.answer_to(question) or self.parent.answer_to(self._at_parent(question))

    def ask(self, question: Question) -> Question:
        """Record a question in each journal."""
        asked = self._own.ask(question)
        self.parent.ask(self._at_parent(asked))
        return asked

    def settle(self, question: Question, answer: Answer) -> Answer:
        """Record the answer in each journal, first in the journal of the child."""
        left = self.parent.answer_to(self._at_parent(question))
        first = self._own.settle(question, left or answer)
        self.parent.settle(self._at_parent(question), first)
        return first

    @property
    def _own(self) -> RunQuestions:
        return RunQuestions(self.run)

    def _at_parent(self, question: Question) -> Question:
        return of_child(self.name, question)


@runtime_checkable
class AnswerListener(Protocol):
    """An interviewer that is notified of answers from elsewhere, such as another terminal."""

    def note_answer(self, question: Question, answer: Answer) -> None:
        """Take note of an answer that came from elsewhere."""
        ...


class AnsweredFirst:
    """Asks an interviewer until the interviewer or the journal has an answer to the question.

    Questions and answers are in the journal of the run. While one person is asked, another person
    may answer from another terminal. The first answer counts.
    """

    def __init__(
        self,
        interviewer: Interviewer,
        questions: Questions | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._interviewer = interviewer
        self._questions = questions or UnrecordedQuestions()
        self._clock = clock or SystemClock()
        self._answered: set[str] = set()

    async def ask(self, question: Question) -> Answer:
        """Return the answer in the journal; without a recorded answer, ask the interviewer.

        If the answer in the journal matched no choice, the question is asked again.
        """
        known = None if question.id in self._answered else self._questions.answer_to(question)
        if known is None:
            return await self._ask(self._questions.ask(question))
        return self._accept(question, self._questions.settle(question, known), is_own=False)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one question after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Pass the message to the interviewer."""
        await self._interviewer.inform(message, stage)

    async def _ask(self, question: Question) -> Answer:
        """Ask until an answer comes from the interviewer or the journal, or until the deadline."""
        if not question.deadline:
            limit = question.timeout_seconds
        else:
            until = datetime.fromisoformat(question.deadline)
            limit = (until - self._clock.now()).total_seconds()
        if limit is not None and limit <= 0:
            return self._accept(question, self._timed_out(question), is_own=False)
        asking = asyncio.create_task(self._ask_patiently(self._questions.named(question)))
        elsewhere = asyncio.create_task(self._recorded_answer(question))
        try:
            await asyncio.wait(
                (asking, elsewhere), timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
            is_cut_off = asking.cancelled()
        finally:
            asking.cancel()
            elsewhere.cancel()
            await asyncio.wait((asking, elsewhere))
            # Record the answer even if the task is canceled now.
            own_answer = _result(asking)
            first = self._questions.settle(question, own_answer) if own_answer else None
        if is_cut_off:
            raise asyncio.CancelledError
        if first is None:
            return await self._answer_from_elsewhere(question, asking, _result(elsewhere))
        if first is not own_answer:
            await self._inform(question, first, lost=own_answer)
        return self._accept(question, first, is_own=first is own_answer)

    async def _ask_patiently(self, question: Question) -> Answer:
        """Ask; the program of an agent without an answer is kept for a time before it parks."""
        try:
            return await self._interviewer.ask(question)
        except Parked:
            if question.kind is QuestionKind.APPROVAL:
                await self._clock.sleep(APPROVAL_PATIENCE)
            raise

    async def _answer_from_elsewhere(
        self, question: Question, asking: "asyncio.Task[Answer]", answer: Answer | None
    ) -> Answer:
        """Return the answer in the journal; without a recorded answer, record a time-out.

        If the interviewer failed and the journal has no answer, raise the error of the interviewer.
        """
        if answer is None and not asking.cancelled():
            _raise(asking, question)
        first = self._questions.settle(question, answer) if answer else self._timed_out(question)
        await self._inform(question, first)
        return self._accept(question, first, is_own=False)

    async def _recorded_answer(self, question: Question) -> Answer:
        """Wait until the journal has an answer of another person."""
        while (answer := self._questions.answer_to(question)) is None:
            await self._clock.sleep(POLL)
        return answer

    def _timed_out(self, question: Question) -> Answer:
        late = Answer(AnswerKind.TIMEOUT, question.default)
        return self._questions.settle(question, late)

    async def _inform(
        self, question: Question, first: Answer, *, lost: Answer | None = None
    ) -> None:
        """Tell the interviewer that another person answered, or that the deadline has passed."""
        is_late = first.kind is AnswerKind.TIMEOUT
        who = "the deadline has passed" if is_late else f"{first.by or 'another person'} answered"
        words = f"{who}: {first.value}" if first.value else who
        if lost is not None:
            words = f"{words}; {lost.text or lost.value!r} was too late and is ignored"
        await self._interviewer.inform(words, question.stage)

    def _accept(self, question: Question, answer: Answer, *, is_own: bool) -> Answer:
        self._answered.add(question.id)
        whole = with_option(answer, question)
        if not is_own and isinstance(self._interviewer, AnswerListener):
            self._interviewer.note_answer(self._questions.named(question), whole)
        return whole


def _result(task: "asyncio.Task[Answer]") -> Answer | None:
    """Return the result of a task; None if the task is running, canceled or failed."""
    if not task.done() or task.cancelled() or task.exception() is not None:
        return None
    return task.result()


def _raise(asking: "asyncio.Task[Answer]", question: Question) -> None:
    """Raise the error of the interviewer.

    Parked is raised with the question as this run asks it, because child runs change question ids.
    """
    try:
        asking.result()
    except Parked as parked:
        raise Parked(question) from parked
