"""Describes in one line which question waits, and in which branches it is asked."""

import re
from collections.abc import Iterable, Iterator, Sequence

from attractor.base.json import Json, canonical_json
from attractor.engine.errors import RecordBroken
from attractor.engine.questions.question import (
    EnclosingBranch,
    Question,
    within_from_record,
)
from attractor.engine.storage.json_files import Fields
from attractor.engine.truncation import shorten

SHOWN_OF_ITEM = 80
"""The maximum length of an item in a line for people."""


MAX_LISTED = 3
"""The maximum number of questions in one line; `attractor answer` lists all of them."""


_WAITS = "waits for an answer"


_DIGITS = re.compile(r"([0-9]+)")


def branch_of(question: Question) -> str:
    """Return the key of the branch that a question is asked in; empty outside of branches."""
    return question.within[-1].key if question.within else ""


def describe_branches(question: Question) -> list[str]:
    """Return a phrase for each branch that a question is asked in: the item, or the branch."""
    return list(map(_phrase, question.within))


def describe_recorded_branches(question: Json) -> list[str]:
    """Return the phrases for the branches in the record of a question; empty for an invalid one."""
    try:
        within = within_from_record(Fields(question, "a question"))
    except RecordBroken:
        return []
    return list(map(_phrase, within))


def describe_question(question: Question) -> str:
    """Return the text of a question and its branches in one line."""
    where = "; ".join(describe_branches(question))
    return f"{question.text} ({where})" if where else question.text


def describe_wait(questions: Sequence[Question]) -> str:
    """Return the reason why a run waits: its questions, or their number and the first few."""
    if len(questions) == 1:
        return f"{_WAITS}: {describe_question(questions[0])}"
    listed = list(map(describe_question, sort_questions(questions)[:MAX_LISTED]))
    if len(questions) > MAX_LISTED:
        listed.append(f"{len(questions) - MAX_LISTED} more")
    return f"waits for {len(questions)} answers: {'; '.join(listed)}"


def sort_questions(questions: Iterable[Question]) -> list[Question]:
    """Return questions in the order of their branches, items and ids."""
    return sorted(questions, key=lambda one: (natural_key(branch_of(one)), natural_key(one.id)))


def natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key by the numbers in a text: `gate@2` comes before `gate@10`."""
    parts = _DIGITS.split(text)
    return tuple((int(one), "") if one.isdecimal() else (-1, one) for one in parts)


def _phrase(within: EnclosingBranch) -> str:
    return "".join(_words(within))


def _words(within: EnclosingBranch) -> Iterator[str]:
    of_node = f" of {within.node}" if within.node else ""
    if not within.index:
        yield f"branch {within.name}{of_node}"
        return
    yield f"item {within.index} of {within.count}{of_node}"
    # With several edges, each item has several branches.
    if not within.name.isdecimal():
        yield f", branch {within.name}"
    item = within.item
    words = item if isinstance(item, str) else canonical_json(item)
    yield f": {shorten(' '.join(words.split()), SHOWN_OF_ITEM)}"
