"""Shows the gate's answer; a holdout's words only to the operator who asks for them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from attractor.base.json import Json
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING
from attractor.factory.gate import GateReport, Judged, Shortcoming, shortcomings
from attractor.factory.gate import gate as judge
from attractor.factory.run_index import RunFacts
from attractor.scenarios.satisfaction import BOUND_SENTENCE

NOT_EVALUATED = "no_verdict"

C = TypeVar("C", bound=Callable[..., Any])


def operator_option(command: C) -> C:
    """Add `--operator`: show which scenarios failed and why, too."""
    option = click.option(
        "--operator",
        "to_operator",
        is_flag=True,
        help="Name the hidden scenarios that failed, and why. Show this to no agent.",
    )
    return option(command)


def verdict_record(judged: Judged, *, to_operator: bool) -> dict[str, Json]:
    """Return the gate's answer for a program."""
    return {**judge(judged).to_record(), **shortcomings_record(judged, to_operator=to_operator)}


def shortcomings_record(judged: Judged, *, to_operator: bool) -> dict[str, Json]:
    """Return what the operator alone may see; nothing when nobody asked for it."""
    return {"scenarios": [one.to_record() for one in shortcomings(judged)]} if to_operator else {}


def verdict_text(facts: RunFacts, judged: Judged, *, to_operator: bool) -> str:
    """Return the gate's answer for a person."""
    report = judge(judged)
    if any(one.rule == NOT_EVALUATED for one in report.reasons):
        return "\n".join(["not evaluated", *_rules(report), f"  {_remedy(facts)}"])
    lines = [
        "go" if report.go else "no-go",
        f"  {report.satisfied} of {report.played} trials satisfied, satisfaction "
        f"{float(report.satisfaction):.3f}, lower bound {report.bound:.3f}",
        f"  {BOUND_SENTENCE}",
        *_rules(report),
    ]
    if to_operator:
        lines += [line for one in shortcomings(judged) for line in _words(one)]
    return "\n".join(lines)


def _rules(report: GateReport) -> list[str]:
    return [f"  {one.rule}: {one.words}" for one in report.reasons]


def _remedy(facts: RunFacts) -> str:
    if facts.state.standing in (EVALUATING, AWAITING_DECISION):
        return f"evaluate it:  attractor evaluate {facts.run_id}"
    if facts.state.standing.is_final:
        return f"it is {facts.state.standing}; look:  attractor logs {facts.run_id}"
    return f"it is {facts.state.standing}; if nobody runs it:  attractor resume {facts.run_id}"


def _words(one: Shortcoming) -> list[str]:
    head = f"  {one.scenario} ({one.title}): {one.satisfied} of {one.played} trials satisfied"
    return [head, *(f"    {reason}" for reason in one.reasons)]
