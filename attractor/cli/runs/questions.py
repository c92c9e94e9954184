"""Prints open questions with the command for each answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from attractor.engine.questions.question import (
    MAX_LISTED,
    Answer,
    Question,
    choices_of,
    describe_asked_call,
    describe_author,
    describe_branches,
    sort_questions,
)
from attractor.engine.truncation import shorten
from attractor.interviewers.prompts import shown_option
from attractor.language.source.text import visible
from attractor.records.open_work import answer_command

LONGEST = 2000
NOTHING = "The run has no open questions."


def questions_text(
    questions: Sequence[Question], answered: Mapping[str, Answer], reference: str
) -> str:
    """Return the open questions, and the answers that no process has used yet, as text."""
    several = len(questions) > 1
    answers = [f"{_line(id_)}: {_met(answer)}" for id_, answer in answered.items()]
    if answers and not questions:
        answers.append(f"continue with: attractor resume {reference}")
    parts = [_text(question, reference, named=several) for question in sort_questions(questions)]
    return "\n\n".join([*parts, *(["\n".join(answers)] if answers else [])]) or NOTHING


def next_commands(questions: Sequence[Question], reference: str) -> list[tuple[str, str]]:
    """Return the commands to answer open questions, each with a remark.

    For several questions, return two commands: to answer the first question, and to list all
    questions.
    """
    if len(questions) <= 1:
        return [(answer_command(reference, "CHOICE"), "")]
    first = sort_questions(questions)[0]
    return [
        (answer_command(reference, "CHOICE", question=first.id), f"one of {len(questions)}"),
        (f"attractor answer {reference}", "lists all questions"),
    ]


def question_lines(questions: Sequence[Question], reference: str) -> list[str]:
    """Return the first open questions with the command for each choice, line by line."""
    first = sort_questions(questions)[:MAX_LISTED]
    lines = [_text(one, reference, named=len(questions) > 1).splitlines() for one in first]
    more = len(questions) - len(first)
    rest = [f"{more} more: attractor answer {reference}"] if more else []
    return [*(line for one in lines for line in one), *rest]


def _text(question: Question, reference: str, *, named: bool) -> str:
    choices = choices_of(question)
    if not question.deadline:
        time = ""
    else:
        until = datetime.fromisoformat(question.deadline).astimezone()
        default = f", then {_line(question.default)}" if question.default else ""
        time = f"   (until {until.isoformat(sep=' ', timespec='seconds')}{default})"
    lines = [f"{_line(question.id)}: {_line(question.text)}{time}"]
    lines += [f"  ({_line(branch)})" for branch in describe_branches(question)]
    lines += [f"  {visible(line)}" for line in describe_asked_call(question)]
    shown = [shown_option(choice) for choice in choices]
    width = max(map(len, shown), default=0)
    for option, words in zip(choices, shown, strict=True):
        command = _command(question, option.key, reference, named=named)
        lines.append(f"  {words:<{width}}   {command}")
    if not choices:
        lines.append(f"  free text:   {_command(question, 'WORDS', reference, named=named)}")
    return "\n".join(lines)


def _met(answer: Answer) -> str:
    words = _line(answer.value) or answer.kind.value
    return f"answered by {_line(describe_author(answer.by, answer.proof))}: {words}"


def _command(question: Question, choice: str, reference: str, *, named: bool) -> str:
    return answer_command(reference, choice, question=question.id if named else "")


def _line(text: str) -> str:
    return visible(shorten(text.strip(), LONGEST))
