"""Prints the gate's verdict on a run, and the facts that a person sees before deciding.

For continuous integration, a verdict is also JUnit, with a test for each rule, and Markdown.
"""

import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from xml.sax.saxutils import quoteattr

import click

from attractor.base.amounts import format_seconds, name_first, number_of
from attractor.cli.invocation import Invocation
from attractor.engine.outcome import describe_usage
from attractor.engine.run_folder.layout import Manifest
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING
from attractor.engine.truncation import one_line
from attractor.factory.candidate_run import CandidateRun, before_a_decision
from attractor.factory.decisions.review import Review, ScenarioTrials
from attractor.factory.evaluation.failed_scenarios import (
    FailedScenario,
    count_failures,
    failed_scenarios,
    in_words,
)
from attractor.factory.evaluation.gate import gate as judge
from attractor.factory.gate_records import BOUND_SENTENCE, GateInput, GateReport, RuleResult
from attractor.factory.operator_process import refuse_in_run
from attractor.language.source.text import visible
from attractor.pipeline.status import status_words
from attractor.records.about import about_of, given_of
from attractor.records.diagnosis.unchanged import describe_unchanged
from attractor.records.request import how_to_be_judged
from attractor.records.summary import NOT_JUDGED

SHOWN_HASH = 12
MOST_NAMED = 5
LONGEST = 200
NARROW = 60
"""The width in columns below which a rule takes several lines."""

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


def verdict_text(facts: CandidateRun, judged: GateInput, *, to_operator: bool) -> str:
    """Return the gate verdict for people; a no-go because nothing was changed says so first."""
    report = judge(judged)
    if judged.suite is None:
        return f"{report.verdict}\n  {how_to_be_judged(facts.manifest)}"
    if not judged.evaluations:
        places = [f"  leak found in {incident}" for incident in judged.incidents if to_operator]
        status = facts.state.status
        if status in (EVALUATING, AWAITING_DECISION):
            remedy = before_a_decision(EVALUATING, facts.run_id)
        else:
            remedy = f"the run is {status}; {before_a_decision(status, facts.run_id)}"
        lines = ["not evaluated", *_reasons(report), f"  {remedy}", *map(visible, places)]
        return "\n".join(lines)
    unchanged = describe_unchanged(facts.directory.root)
    exposed = f"not verified who read the holdouts: {judged.exposure}" if judged.exposure else ""
    lines = [
        *filter(None, [exposed]),
        report.verdict if report.go or not unchanged else f"{report.verdict}: {unchanged}",
        f"  {report.satisfied} of {report.played} trials satisfied, satisfaction "
        f"{float(report.satisfaction):.3f}, lower bound {report.bound:.3f}",
        f"  {BOUND_SENTENCE}",
        *carried_lines(report.carried),
        *(visible(f"  {sentence}") for sentence in report.setup_sentences()),
        f"  wrong solutions: {report.measured_words}",
        *(f"  {note}" for note in report.suite_notes),
        f"  cost of the verdict: {report.cost}",
        *(f"  trouble in trials: {trouble}" for trouble in report.troubles),
        *(visible(f"  {replay}") for replay in report.replays),
        *(f"  {sentence}" for sentence in report.reading_sentences()),
        *_reasons(report),
    ]
    if failures := count_failures(judged):
        lines.append(f"  failed scenarios: {in_words(failures)}")
    if to_operator:
        lines += [line for one in failed_scenarios(judged) for line in _scenario_lines(one)]
        lines += [visible(f"  leak found in {place}") for place in judged.incidents]
    return "\n".join(lines)


def carried_lines(paths: Sequence[str]) -> list[str]:
    """Return a line about the paths of the project that trials got, if any."""
    return [visible(f"  carried into trials: {', '.join(paths)}")] if paths else []


def _reasons(report: GateReport) -> list[str]:
    return [f"  {reason.rule}: {reason.words}" for reason in report.reasons]


def terminal_width() -> int:
    """Return the width of the terminal in columns (default without a terminal: 80)."""
    return shutil.get_terminal_size().columns


def rules_text(report: GateReport, width: int, *, shows_all: bool) -> str:
    """Return the rules that need attention as a table, and the names of the others."""
    quiet = [] if shows_all else [one for one in report.rules if not _needs_attention(one)]
    rules = [one for one in report.rules if one not in quiet]
    lines = ["rules:", *rule_lines(rules, width)]
    if quiet:
        names = ", ".join(one.rule for one in quiet)
        words = f"{number_of(len(quiet), 'rule')} passed or unused: {names} (all figures: --all)"
        lines += _wrapped(words, width, 2)
    return "\n".join(lines)


def _needs_attention(rule: RuleResult) -> bool:
    """Return whether a rule failed, or passed only in a way that its words tell."""
    return rule.failed or (rule.applies and bool(rule.words))


def rule_lines(rules: Sequence[RuleResult], width: int) -> list[str]:
    """Return rules as a table: figure, threshold, and what would change a failure."""
    is_narrow = width < NARROW
    names = max((len(rule.rule) for rule in rules), default=0)
    figures = max((len(rule.figure) for rule in rules), default=0)
    lines: list[str] = []
    for rule in rules:
        if is_narrow:
            lines.append(f"{_mark(rule)} {rule.rule}")
            limits = f"{rule.figure}, wanted: {rule.threshold}" if rule.figure else ""
            lines += _wrapped(limits, width, 4)
        else:
            cells = (
                f"  {_mark(rule)}  {rule.rule:<{names}}  {rule.figure:<{figures}}  {rule.threshold}"
            )
            lines.append(cells.rstrip())
        more = f"to change it: {rule.remedy}" if rule.failed else rule.words
        text, *to_copy = more.split("\n")
        lines += _wrapped(text, width, 4 if is_narrow else 10)
        lines += to_copy
    return [*map(visible, lines)]


def _mark(one: RuleResult) -> str:
    return "failed" if one.failed else "passed" if one.applies else "unused"


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    return textwrap.wrap(
        text, max(width, 30), initial_indent=" " * indent, subsequent_indent=" " * (indent + 2)
    )


def _scenario_lines(one: FailedScenario) -> list[str]:
    head = f"  {one.scenario} ({one.title}): {one.satisfied} of {one.played} trials satisfied"
    head += f", {one.failure}"
    lines = [head, *(f"    {reason}" for reason in one.reasons)]
    lines += [f"    stdout| {line}" for line in one.stdout]
    lines += [f"    stderr| {line}" for line in one.stderr]
    if one.remedy:
        lines.append(f"    to change it: {one.remedy}")
    return [*map(visible, lines)]


def review_text(review: Review, reference: str, *, to_operator: bool, shows_all: bool) -> str:
    """Return the facts of a run for people, with the commands to decide."""
    return "\n".join(_review_lines(review, reference, to_operator=to_operator, shows_all=shows_all))


def _subject(manifest: Manifest) -> Iterator[str]:
    """Yield what a run is about, its goal, and the remarks that it was given."""
    about = {"about": about_of(manifest), "goal": manifest.goal or manifest.pipeline}
    for name, words in {**about, **given_of(manifest)}.items():
        if words:
            yield visible(f"  {name}: {one_line(words, LONGEST)}")


def _review_lines(
    review: Review, reference: str, *, to_operator: bool, shows_all: bool
) -> Iterator[str]:
    facts = review.facts
    is_judged = facts.state.status != AWAITING_DECISION or facts.manifest.suite
    yield visible(
        f"run {facts.run_id}: {status_words(facts.state.status) if is_judged else NOT_JUDGED}"
    )
    yield from _subject(facts.manifest)
    if review.changes:
        yield from review.changes.lines()
    if review.look:
        yield visible(f"  all changes: {review.look}")
    yield f"gate: {verdict_text(facts, review.judged, to_operator=to_operator)}"
    if review.judged.suite:
        yield rules_text(review.report, terminal_width(), shows_all=shows_all)
    if review.scenarios:
        yield "hidden scenarios, with satisfied trials now and in earlier runs, oldest first:"
        yield from (_scenario(scenario, to_operator=to_operator) for scenario in review.scenarios)
    yield f"cost: {describe_usage(review.usage)}"
    yield f"time: {format_seconds(review.work_seconds)} of work"
    stages = f"success of {name_first(review.assumed, MOST_NAMED)}" if review.assumed else ""
    count = review.auto_approved
    gates = f"{count} gate{'' if count == 1 else 's'} approved automatically" if count else ""
    assumed = "; ".join(filter(None, [stages, gates])) or "nothing"
    yield visible(f"assumed: {assumed}")
    out = review.left_out
    left_out = [
        f"of the project {name_first(out.excluded, MOST_NAMED)}" if out.excluded else "",
        f"new files that match {name_first(out.ignored, MOST_NAMED)}" if out.ignored else "",
        f"refused files {name_first(out.refused, MOST_NAMED)}" if out.refused else "",
    ]
    yield visible(f"left out: {'; '.join(filter(None, left_out)) or 'nothing'}")
    yield from (visible(line) for line in review.receipts.lines())
    if review.providers:
        yield f"models: {visible(review.providers)}"
    yield judges_line(facts)
    if facts.state.status == AWAITING_DECISION:
        verdict = "--approve" if review.report.go else "--reject"
        yield f'decide with: attractor decide {reference} {verdict} --reason "..."'


def _scenario(one: ScenarioTrials, *, to_operator: bool) -> str:
    name = f"{one.name} {one.id} ({one.title})" if to_operator else one.name
    verdict = "passed" if one.passed else "failed"
    earlier = f"; earlier {' '.join(map(str, one.earlier))}" if one.earlier else ""
    waived = f"; waived until {one.waived_until:%Y-%m-%d %H:%M} UTC" if one.waived_until else ""
    return visible(f"  {name}: {verdict} {one.now}{earlier}{waived}")


def judges_line(facts: CandidateRun) -> str:
    """Return name, version and seal of all that judges a run, for people."""
    manifest = facts.manifest
    pipeline = f"{manifest.pipeline}#{facts.pipeline_hash}"
    pins = (("suite", manifest.suite), ("profile", manifest.profile), ("pipeline", pipeline))
    shown = (f"{kind} {_pin(pinned)}" if pinned else f"no {kind}" for kind, pinned in pins)
    return visible(f"judged by: {', '.join(shown)}")


def _pin(pinned: str) -> str:
    name, _, digest = pinned.partition("#")
    return f"{name} (seal {digest[:SHOWN_HASH]})"


def junit_text(report: GateReport | None, verdict: str) -> str:
    """Return a verdict as JUnit; without a report, its only test fails.

    Rules that do not apply are skipped. No rule reveals a holdout, so the file may be published.
    """
    failure = RuleResult("verdict", passed=False, words=verdict)
    rules = report.rules if report else [failure]
    failed, skipped = (
        sum(one.failed for one in rules),
        sum(not one.applies for one in rules),
    )
    head = f'tests="{len(rules)}" failures="{failed}" errors="0" skipped="{skipped}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="attractor" {head}>',
        *(
            f'<testcase classname="attractor" name={quoteattr(one.rule)}>{_end(one)}</testcase>'
            for one in rules
        ),
        "</testsuite>",
    ]
    return "\n".join([*lines, ""])


def _end(rule: RuleResult) -> str:
    if rule.applies and not rule.failed:
        return ""
    words = "; ".join(filter(None, [rule.words, rule.remedy if rule.failed else ""]))
    return f"<{'failure' if rule.failed else 'skipped'} message={quoteattr(visible(words))}/>"


def markdown_text(verdict: str, text: str) -> str:
    """Return a verdict as Markdown, with the printed text, in which others' words may stand."""
    return f"## Attractor: {verdict}\n\n```text\n{text.replace('```', '` ` `')}\n```\n"
