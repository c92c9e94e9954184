"""Prints open questions with the command for each answer, and gate verdicts."""

import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from attractor.cli.invocation import Invocation
from attractor.engine.questions.question import (
    MAX_LISTED,
    Answer,
    Question,
    choices_of,
    describe_branches,
    sort_questions,
)
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING
from attractor.engine.truncation import shorten
from attractor.factory.evaluation.failed_scenarios import FailedScenario, failed_scenarios
from attractor.factory.evaluation.gate import gate as judge
from attractor.factory.evaluation.gate_records import GateInput, GateReport, RuleResult
from attractor.factory.evaluation.run_facts import RunFacts, before_a_decision
from attractor.factory.operator_process import refuse_in_run
from attractor.interviewers.prompts import shown_option
from attractor.language.source.text import visible
from attractor.pipeline.runs.open_work import answer_command
from attractor.scenarios.satisfaction import BOUND_SENTENCE

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
    parts = [_text(one, reference, named=several) for one in sort_questions(questions)]
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
    lines = [f"{_line(question.id)}: {_line(question.text)}{_time(question)}"]
    lines += [f"  ({_line(one)})" for one in describe_branches(question)]
    shown = [shown_option(one) for one in choices]
    width = max(map(len, shown), default=0)
    for option, words in zip(choices, shown, strict=True):
        command = _command(question, option.key, reference, named=named)
        lines.append(f"  {words:<{width}}   {command}")
    if not choices:
        lines.append(f"  free text:   {_command(question, 'WORDS', reference, named=named)}")
    return "\n".join(lines)


def _met(answer: Answer) -> str:
    words = _line(answer.value) or answer.kind.value
    return f"answered by {_line(answer.by) or 'unknown user'}: {words}"


def _command(question: Question, choice: str, reference: str, *, named: bool) -> str:
    return answer_command(reference, choice, question=question.id if named else "")


def _time(question: Question) -> str:
    if not question.deadline:
        return ""
    until = datetime.fromisoformat(question.deadline).astimezone()
    default = f", then {_line(question.default)}" if question.default else ""
    return f"   (until {until.isoformat(sep=' ', timespec='seconds')}{default})"


def _line(text: str) -> str:
    return visible(shorten(text.strip(), LONGEST))


C = TypeVar("C", bound=Callable[..., Any])


def operator_option(effect: str) -> Callable[[C], C]:
    """Return `--operator`, with its effect on hidden scenarios; it is refused in runs."""
    return click.option(
        "--operator",
        "to_operator",
        is_flag=True,
        callback=_require_operator,
        help=f"{effect} Never show this output to an agent.",
    )


def _require_operator(context: click.Context, _option: click.Parameter, value: bool) -> bool:
    if value:
        refuse_in_run("'--operator'", context.ensure_object(Invocation).environ)
    return value


def verdict_text(facts: RunFacts, judged: GateInput, *, to_operator: bool) -> str:
    """Return the gate verdict for people."""
    report = judge(judged)
    if judged.suite is not None and not judged.evaluations:
        places = [f"  leak found in {one}" for one in judged.incidents if to_operator]
        lines = ["not evaluated", *_rules(report), f"  {_remedy(facts)}", *map(visible, places)]
        return "\n".join(lines)
    lines = [
        "go" if report.go else "no-go",
        f"  {report.satisfied} of {report.played} trials satisfied, satisfaction "
        f"{float(report.satisfaction):.3f}, lower bound {report.bound:.3f}",
        f"  {BOUND_SENTENCE}",
        *_rules(report),
    ]
    if to_operator:
        lines += [line for one in failed_scenarios(judged) for line in _words(one)]
        lines += [visible(f"  leak found in {place}") for place in judged.incidents]
    return "\n".join(lines)


def _rules(report: GateReport) -> list[str]:
    return [f"  {one.rule}: {one.words}" for one in report.reasons]


NARROW = 60
"""The width in columns below which a rule takes several lines."""


def terminal_width() -> int:
    """Return the width of the terminal in columns (default without a terminal: 80)."""
    return shutil.get_terminal_size().columns


def rule_lines(report: GateReport, width: int) -> list[str]:
    """Return all rules as a table: figure, threshold, and what would change a failure."""
    is_narrow = width < NARROW
    names = max(len(one.rule) for one in report.rules)
    figures = max(len(one.figure) for one in report.rules)
    lines: list[str] = []
    for one in report.rules:
        if is_narrow:
            lines.append(f"{_mark(one)} {one.rule}")
            limits = f"{one.figure}, wanted: {one.threshold}" if one.figure else ""
            lines += _wrapped(limits, width, 4)
        else:
            cells = f"  {_mark(one)}  {one.rule:<{names}}  {one.figure:<{figures}}  {one.threshold}"
            lines.append(cells.rstrip())
        more = f"to change it: {one.remedy}" if one.failed else one.words
        lines += _wrapped(more, width, 4 if is_narrow else 10)
    return [*map(visible, lines)]


def _mark(one: RuleResult) -> str:
    return "failed" if one.failed else "passed" if one.applies else "unused"


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    return textwrap.wrap(
        text, max(width, 30), initial_indent=" " * indent, subsequent_indent=" " * (indent + 2)
    )


def _remedy(facts: RunFacts) -> str:
    status = facts.state.status
    if status in (EVALUATING, AWAITING_DECISION):
        return before_a_decision(EVALUATING, facts.run_id)
    return f"the run is {status}; {before_a_decision(status, facts.run_id)}"


def _words(one: FailedScenario) -> list[str]:
    head = f"  {one.scenario} ({one.title}): {one.satisfied} of {one.played} trials satisfied"
    return [*map(visible, [head, *(f"    {reason}" for reason in one.reasons)])]
