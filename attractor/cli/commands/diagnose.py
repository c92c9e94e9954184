"""Explain why a run ended or stopped, and list remedies."""

from collections.abc import Iterator, Sequence

import click

from attractor.base.amounts import format_seconds, number_of
from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.references import run_argument
from attractor.engine.outcome import describe_usage
from attractor.language.source.text import visible
from attractor.records.diagnosis.diagnose import Diagnosis, diagnose as examine
from attractor.records.lookup import find_run, reference_of
from attractor.records.stage_output import describe_failed_output
from attractor.records.totals import StageTotal, costliest, slowest

_MOST = 8
"""The maximum number of lines in a section; --json has all."""


@click.command()
@run_argument(default="latest")
@json_option
@click.pass_obj
def diagnose(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Explain why a run ended or stopped, and list remedies.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest' (default: latest).
    The diagnosis lists the chain of causes, the slowest and the most expensive stages, loops,
    retries, stages whose success was assumed, interruptions, and a command for each remedy. The
    diagnosis is computed from the records of the run, without calling a model.
    """
    runs_dir = invocation.configuration.settings.runs_dir
    root = find_run(reference, runs_dir)
    found = examine(root, reference=reference_of(root, runs_dir), now=SystemClock().now())
    if as_json:
        show_json(found.to_record())
    else:
        show(diagnosis_text(found))
    return ExitCode.DONE


def diagnosis_text(one: Diagnosis) -> str:
    """Return a diagnosis as text."""
    return "\n".join(map(visible, _lines(one)))


def _lines(one: Diagnosis) -> Iterator[str]:
    yield f"run {one.case.run.run_id}: {one.finding.verdict}"
    if one.case.run.manifest.forked_at:
        manifest = one.case.run.manifest
        yield f"  forked from {manifest.parent} before {manifest.forked_at}"
    for number, cause in enumerate(one.finding.causes, 1):
        yield f"  {number}. {cause}"
    yield from (f"     {line}" for line in describe_failed_output(one.failed_output))
    if one.finding.remedies:
        yield "remedies"
    for remedy in one.finding.remedies:
        yield f"  {remedy.what}"
        if remedy.command:
            yield f"      {remedy.command}"
    yield from _took(one)
    yield from _section("loops", [_loop(nodes, times) for nodes, times in one.loops])
    retried = [_retried(stage, one) for stage in one.stages if stage.retries]
    yield from _section("retries", retried)
    yield from _section("assumptions", one.assumed)
    yield from _section("not kept", one.not_kept)
    notes = [f"{note.time:%Y-%m-%d %H:%M:%S}  {note.words}" for note in one.interruptions]
    yield from _section("interruptions", notes)


def _took(one: Diagnosis) -> Iterator[str]:
    if not one.stages:
        return
    waited = f", {format_seconds(one.waited)} waiting for people" if one.waited else ""
    taken_over = ", including the parent run" if one.case.run.manifest.forked_at else ""
    work = f"{format_seconds(one.seconds)} of work{taken_over}"
    yield f"duration: {work}, {format_seconds(one.wall)} in total{waited}"
    if one.usage.tokens or one.usage.cost_usd:
        yield f"usage: {describe_usage(one.usage)}"
    yield from _section("slowest", [_slow(stage) for stage in slowest(one.stages)])
    yield from _section("most expensive", [_costly(stage) for stage in costliest(one.stages)])


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield title
    yield from (f"  {line}" for line in lines[:_MOST])
    if len(lines) > _MOST:
        yield f"  and {len(lines) - _MOST} more (see --json)"


def _slow(stage: StageTotal) -> str:
    return f"{stage.node}: {format_seconds(stage.seconds)}{_visits(stage)}"


def _costly(stage: StageTotal) -> str:
    return f"{stage.node}: {describe_usage(stage.usage)}{_visits(stage)}"


def _visits(stage: StageTotal) -> str:
    return f" in {stage.visits} visits" if stage.visits > 1 else ""


def _retried(stage: StageTotal, one: Diagnosis) -> str:
    errors = [
        failure.error
        for failure in one.case.history.failures
        if failure.node == stage.node and failure.will_retry
    ]
    why = f", last error: {errors[-1]}" if errors else ""
    attempts, visits = number_of(stage.attempts, "attempt"), number_of(stage.visits, "visit")
    return f"{stage.node}: {attempts} in {visits}{why}"


def _loop(nodes: Sequence[str], times: int) -> str:
    return f"{' -> '.join([*nodes, nodes[0]])}, {number_of(times, 'time')}"


part = diagnose
