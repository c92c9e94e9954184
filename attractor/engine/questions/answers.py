"""Matches the words of an answer with the options of a question."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from attractor.base.errors import UsageError
from attractor.engine.questions.edge_labels import normalize_label
from attractor.engine.questions.question import Answer, AnswerKind, Option, Question, QuestionKind
from attractor.engine.truncation import shorten

TARGETS = "targets"
"""The key in the metadata of a question for the target node of each option."""


LONGEST_WORDS = 200


_YES_OR_NO = {"y": "yes", "yes": "yes", "n": "no", "no": "no"}


_YES_NO_KINDS = (QuestionKind.YES_NO, QuestionKind.CONFIRMATION)


T = TypeVar("T")


def fold_words(text: str) -> str:
    """Return words in the form that is compared: stripped and case-folded."""
    return text.strip().casefold()


def pick_match(said: str, among: Iterable[T], readings: Sequence[Callable[[T], str]]) -> T | None:
    """Return the only candidate that matches, by the first reading with a match."""
    words, those = fold_words(said), list(among)
    for read in readings:
        meant = [one for one in those if words and fold_words(read(one)) == words]
        if meant:
            # An ambiguous answer chooses none.
            return meant[0] if len(meant) == 1 else None
    return None


def find_option(said: str, question: Question) -> Option | None:
    """Return the option that matches by its key, its label or its target, if there is one."""
    targets = question.metadata.get(TARGETS)
    leads = targets if isinstance(targets, dict) else {}
    return pick_match(
        said,
        question.options,
        [
            lambda one: one.key,
            lambda one: one.label,
            lambda one: normalize_label(one.label),
            lambda one: str(leads.get(one.key, "")),
        ],
    )


def read_answer(said: str, question: Question, *, by: str = "") -> Answer | None:
    """Return the answer in a person's words, or None if they match no option."""
    given = Answer(AnswerKind.GIVEN, said, by, text=said)
    if question.kind in _YES_NO_KINDS:
        value = _YES_OR_NO.get(fold_words(said))
        return replace(given, value=value) if value else None
    if question.kind is QuestionKind.FREEFORM or not question.options:
        return given
    option = find_option(said, question)
    return replace(given, value=option.key, selected_option=option) if option else None


def require_answer(said: str, question: Question, *, by: str = "") -> Answer:
    """Return the answer in a person's words, or raise UsageError."""
    answer = read_answer(said, question, by=by) if said.strip() else None
    if answer is None:
        hint = f"choose one of {describe_choices(question)}" if _has_choices(question) else ""
        raise UsageError(describe_refusal(said, question), hint=hint)
    return answer


def with_option(answer: Answer, question: Question) -> Answer:
    """Return an answer with the option that it selects; without a match, return it unchanged."""
    if answer.kind is not AnswerKind.GIVEN:
        return answer
    read = read_answer(answer.value, question, by=answer.by)
    return replace(read, text=answer.text or answer.value) if read else answer


def describe_refusal(said: str, question: Question) -> str:
    """Return the message for words that are an invalid answer."""
    words = repr(shorten(said, LONGEST_WORDS))
    if not _has_choices(question):
        return f"{words} is no answer"
    return f"{words} is none of the choices"


def describe_choices(question: Question) -> str:
    """Return the choices of a question in one line."""
    return ", ".join(f"{one.key} ({one.label})" for one in choices_of(question))


def choices_of(question: Question) -> Sequence[Option]:
    """Return the choices: yes and no, the options, or none for free text."""
    if question.kind in _YES_NO_KINDS:
        return (Option("yes", "Yes"), Option("no", "No"))
    return () if question.kind is QuestionKind.FREEFORM else question.options


def _has_choices(question: Question) -> bool:
    return bool(choices_of(question))


def is_late(question: Question, now: datetime) -> bool:
    """Return whether the deadline of a question has passed."""
    return bool(question.deadline) and datetime.fromisoformat(question.deadline) <= now
