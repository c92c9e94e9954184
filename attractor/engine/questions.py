"""What a run asks people, kept in its journal: so anybody may answer, and an answer lasts."""

from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.engine.asked_within import way_to
from attractor.engine.asking import Answer, Question
from attractor.engine.events import NO_PLACE, Place, QuestionAsked, QuestionSettled
from attractor.engine.large_values import reader
from attractor.engine.open_run import OpenRun
from attractor.engine.question_records import answer_to_record, question_to_record
from attractor.engine.questions_asked import find_asker, is_of_child, of_child


class Questions(Protocol):
    """Keeps what is asked and what was answered, where others see it and a crash leaves it."""

    def named(self, question: Question) -> Question:
        """Return a question by the name that it goes by for people."""
        ...

    def answer_to(self, question: Question) -> Answer | None:
        """Return the answer that there is already, if any."""
        ...

    def ask(self, question: Question) -> Question:
        """Note that a question is asked; return it with the time that it has."""
        ...

    def settle(self, question: Question, answer: Answer) -> Answer:
        """Note an answer; return the one that counts, which is the first."""
        ...


class Unkept:
    """Keeps nothing: whoever is asked is the only one who can answer."""

    def named(self, question: Question) -> Question:
        """Return the question as it is."""
        return question

    def answer_to(self, question: Question) -> Answer | None:
        """Know of no answer."""
        return None

    def ask(self, question: Question) -> Question:
        """Return the question as it is."""
        return question

    def settle(self, question: Question, answer: Answer) -> Answer:
        """Return the answer as it is."""
        return answer


@dataclass(frozen=True)
class RunQuestions:
    """Keeps the questions of one run in its journal."""

    run: OpenRun

    def named(self, question: Question) -> Question:
        """Return a question with the branches of the run that it is asked in."""
        found = find_asker(self.run.state.strands, question.id)
        if found is None:
            return question
        strands, (key, _) = self.run.state.strands, found
        redactor = self.run.redactor
        own = way_to(strands, key, reader(self.run.blobs), redactor.json)
        inner = question.within if is_of_child(strands[key], question.id) else ()
        return replace(question, within=(*own, *inner))

    def answer_to(self, question: Question) -> Answer | None:
        """Return the answer that somebody gave in an earlier life of the run, or from outside."""
        return self.run.answer_to(question)

    def ask(self, question: Question) -> Question:
        """Write into the journal what is asked, and until when."""
        deadline = question.deadline or self._deadline(question)
        asked = self.named(replace(question, deadline=deadline))
        place = self._place(question.id)
        if place is None:
            return asked
        self.run.record(QuestionAsked(question_to_record(asked)), place=place)
        return next((one for one in self.run.state.asked if one.id == question.id), asked)

    def settle(self, question: Question, answer: Answer) -> Answer:
        """Write an answer into the journal, unless there is one."""
        known = self.run.answer_to(question)
        first = known or answer
        # What was left here for a child is in good hands once the child has it.
        if self._is_open(question.id) and (known is None or self._is_of_child(question.id)):
            settled = QuestionSettled(question.id, answer_to_record(first))
            self.run.record(settled, place=self._place(question.id) or NO_PLACE)
        return first

    def _is_open(self, id_: str) -> bool:
        return any(one.id == id_ for one in self.run.state.asked)

    def _is_of_child(self, id_: str) -> bool:
        return any(is_of_child(one, id_) for one in self.run.state.strands.values())

    def _place(self, id_: str) -> Place | None:
        found = find_asker(self.run.state.strands, id_)
        if found is None:
            return None
        key, flight = found
        return Place(flight.node, flight.visit, flight.attempt, key or None)

    def _deadline(self, question: Question) -> str:
        if question.timeout_seconds is None:
            return ""
        return (self.run.clock.now() + timedelta(seconds=question.timeout_seconds)).isoformat()


@dataclass(frozen=True)
class ChildQuestions:
    """Keeps the questions of a child in its own journal, and in that of its parent by its name."""

    above: Questions
    name: str
    run: OpenRun

    def named(self, question: Question) -> Question:
        """Return a question as it goes by at the top."""
        return self.above.named(self._above(self._own.named(question)))

    def answer_to(self, question: Question) -> Answer | None:
        """Return the answer that was left with the child, or with one it is part of."""
        return self._own.answer_to(question) or self.above.answer_to(self._above(question))

    def ask(self, question: Question) -> Question:
        """Note in each of them what is asked."""
        asked = self._own.ask(question)
        self.above.ask(self._above(asked))
        return asked

    def settle(self, question: Question, answer: Answer) -> Answer:
        """Note the answer in each of them, first in the child: it goes on from there."""
        left = self.above.answer_to(self._above(question))
        first = self._own.settle(question, left or answer)
        self.above.settle(self._above(question), first)
        return first

    @property
    def _own(self) -> RunQuestions:
        return RunQuestions(self.run)

    def _above(self, question: Question) -> Question:
        return of_child(self.name, question)
