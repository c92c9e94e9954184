"""What a run asks people, kept in its journal: so anybody may answer, and an answer lasts.

In which branches something is asked: so that nobody answers for one item and means another.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, canonical_json
from attractor.engine.context import ReadValue, reader
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.events import NO_PLACE, QuestionAsked, QuestionSettled, StageReference
from attractor.engine.json_files import Fields
from attractor.engine.questions.answer_options import find_asker, is_of_child, of_child
from attractor.engine.questions.question import (
    Answer,
    Question,
    Within,
    answer_to_record,
    question_to_record,
    within_from_record,
)
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.stage_report import shorten
from attractor.engine.state.branch_state import MAIN, Strands, WalkState

LONGEST_ITEM = 4000
"""How much of an item a question has, in characters of its JSON; of what is longer the beginning.

Nobody reads more of it to answer a question, and the whole of it stands in the context.
"""

SHOWN_OF_ITEM = 80
"""How much of an item stands in a line for people."""

MOST_TOLD = 3
"""How many of several questions are told in one line; `attractor answer` lists all of them."""

ITEM, INDEX, COUNT = "work.item", "work.index", "work.count"

_WAITS = "waits for an answer"
_DIGITS = re.compile(r"([0-9]+)")


def way_to(
    strands: Strands, key: str, read: ReadValue, clean: Callable[[Json], Json]
) -> tuple[Within, ...]:
    """Return the branches that a walk is in, from the outermost to its own.

    `clean` takes secrets out of an item before it is cut.
    """
    way: list[Within] = []
    while key != MAIN and key in strands:
        strand = strands[key]
        way.append(_within(strands, key, strand, read, clean))
        key = strand.parent
    return tuple(reversed(way))


def branch_of(question: Question) -> str:
    """Return the key of the branch that a question is asked in; nothing outside of branches."""
    return question.within[-1].key if question.within else ""


def where_asked(question: Question) -> list[str]:
    """Say in which branches a question is asked, a phrase each: which item, or which branch."""
    return list(map(_phrase, question.within))


def where_in(question: Json) -> list[str]:
    """Say in which branches the question of a record is asked; nothing when it says none."""
    try:
        within = within_from_record(Fields(question, "a question"))
    except RecordBroken:
        return []
    return list(map(_phrase, within))


def asked_where(question: Question) -> str:
    """Return in one line what is asked, and where."""
    where = "; ".join(where_asked(question))
    return f"{question.text} ({where})" if where else question.text


def waits_for(questions: Sequence[Question]) -> str:
    """Return why a run waits: for what answer; of many, how many, and the first few."""
    if len(questions) == 1:
        return f"{_WAITS}: {asked_where(questions[0])}"
    told = list(map(asked_where, in_order(questions)[:MOST_TOLD]))
    if len(questions) > MOST_TOLD:
        told.append(f"{len(questions) - MOST_TOLD} more")
    return f"waits for {len(questions)} answers: {'; '.join(told)}"


def in_order(questions: Iterable[Question]) -> list[Question]:
    """Return questions in the order of their branches and items, and then of their names."""
    return sorted(questions, key=lambda one: (natural(branch_of(one)), natural(one.id)))


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return what sorts a text as people do, by its numbers: `gate@2` stands before `gate@10`."""
    parts = _DIGITS.split(text)
    return tuple((int(one), "") if one.isdecimal() else (-1, one) for one in parts)


def _within(
    strands: Strands, key: str, strand: WalkState, read: ReadValue, clean: Callable[[Json], Json]
) -> Within:
    fork = strands[strand.parent].in_flight if strand.parent in strands else None
    index, count = _number(strand.given, INDEX), _number(strand.given, COUNT)
    item = clean(read(strand.given.get(ITEM))) if index else None
    return Within(key, strand.name, fork.node if fork else "", _bounded(item), index, count)


def _bounded(item: Json) -> Json:
    written = item if isinstance(item, str) else canonical_json(item)
    return item if len(written) <= LONGEST_ITEM else shorten(written, LONGEST_ITEM)


def _number(given: Mapping[str, Json], name: str) -> int:
    value = given.get(name)
    return value if isinstance(value, int) else 0


def _phrase(within: Within) -> str:
    return "".join(_words(within))


def _words(within: Within) -> Iterator[str]:
    of_node = f" of {within.node}" if within.node else ""
    if not within.index:
        yield f"branch {within.name}{of_node}"
        return
    yield f"item {within.index} of {within.count}{of_node}"
    # Several ways out of a node are walked for each item.
    if not within.name.isdecimal():
        yield f", branch {within.name}"
    item = within.item
    words = item if isinstance(item, str) else canonical_json(item)
    yield f": {shorten(' '.join(words.split()), SHOWN_OF_ITEM)}"


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

    def _place(self, id_: str) -> StageReference | None:
        found = find_asker(self.run.state.strands, id_)
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
