"""Describes in one line which question waits, and in which branches it is asked."""

import re
from collections.abc import Iterable, Iterator, Sequence

from attractor.base.json import Json, canonical_json
from attractor.engine.errors import RecordBroken
from attractor.engine.questions.question import (
    Question,
    Within,
    within_from_record,
)
from attractor.engine.storage.json_files import Fields
from attractor.engine.truncation import shorten

SHOWN_OF_ITEM = 80
"""How much of an item stands in a line for people."""


MOST_TOLD = 3
"""How many of several questions are told in one line; `attractor answer` lists all of them."""


_WAITS = "waits for an answer"


_DIGITS = re.compile(r"([0-9]+)")


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
