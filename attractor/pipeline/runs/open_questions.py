"""Selects open questions of a run by id or node, and prints the command that answers one."""

import shlex
from collections.abc import Sequence
from datetime import datetime

from attractor.base.errors import Refused, UsageError
from attractor.engine.errors import NothingAsked
from attractor.engine.questions.answers import is_late, read_answer, require_answer
from attractor.engine.questions.description import natural_key
from attractor.engine.questions.question import Question
from attractor.language.source.text import visible

MOST_NAMED = 3
"""How many of many questions a refusal names."""


def named(questions: Sequence[Question], name: str, *, where: str) -> tuple[Question, ...]:
    """Return the questions that go by an id or a node; an id that is whole comes before those."""
    exact = tuple(one for one in questions if one.id == name)
    found = exact or tuple(one for one in questions if name in ("", one.stage))
    if not found:
        hint = f"it asks: {_names(questions, ', ')}" if questions else where
        raise NothingAsked(f"the run asks nothing by the name {name!r}", hint=hint)
    return found


def pick(questions: Sequence[Question], name: str, *, where: str, listing: str) -> Question:
    """Return the question that is meant: by its id or its node, or the only one."""
    found = pick_all(questions, name, where=where)
    if len(found) == 1:
        return found[0]
    raise UsageError(
        f"the run asks {len(found)} questions",
        hint=f"name one: --question {_names(found, ' or ')}; "
        f"all of them, with their commands: {listing}",
    )


def pick_all(questions: Sequence[Question], name: str, *, where: str) -> tuple[Question, ...]:
    """Return the questions that are meant: by an id or a node, or all of them."""
    if not questions:
        raise NothingAsked("the run asks nothing", hint=where)
    return named(questions, name, where=where)


def read_choice(choice: str, question: Question, now: datetime, *, go_on: str) -> str:
    """Return what somebody's words mean for a question, or refuse them; so too when it is late."""
    if is_late(question, now):
        raise Refused(f"the time of {question.id} was up at {question.deadline}", hint=go_on)
    return require_answer(choice, question).value


def read_choices(
    choice: str, questions: Sequence[Question], now: datetime, *, go_on: str, listing: str
) -> list[str]:
    """Return what the same words mean for each of several questions; all take them, or none is."""
    lacking = [one for one in questions if not choice.strip() or read_answer(choice, one) is None]
    if lacking:
        names = _names(lacking, ", ")
        raise UsageError(
            f"{choice!r} is no answer to {len(lacking)} of {len(questions)} questions: {names}",
            hint=f"nothing was answered; what each of them asks: {listing}",
        )
    return [read_choice(choice, one, now, go_on=go_on) for one in questions]


def _names(questions: Sequence[Question], between: str) -> str:
    """Return the first names of questions, and how many more there are."""
    ids = sorted((one.id for one in questions), key=natural_key)
    more = f" ({len(ids) - MOST_NAMED} more)" if len(ids) > MOST_NAMED else ""
    return f"{between.join(ids[:MOST_NAMED])}{more}"


def answer_command(reference: str, said: str, *, question: str = "") -> str:
    """Return what a person types to say something to a run; the question is named where given."""
    which = ["--question", question] if question else []
    # What begins with a dash is no option.
    words = ["--", said] if said.startswith("-") else [said] if said else []
    return visible(f"attractor answer {reference} {shlex.join([*which, *words])}").rstrip()
