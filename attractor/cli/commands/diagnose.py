"""Explain why a run ended or stopped, and list remedies."""

from collections.abc import Iterator, Sequence
from datetime import UTC

import click

from attractor.base.amounts import format_number, format_seconds, number_of
from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, show_result, table
from attractor.cli.runs.listings import proposed, read_since, show_indexing
from attractor.cli.runs.references import run_argument
from attractor.engine.outcome import describe_usage, format_usage_cost
from attractor.engine.truncation import shorten
from attractor.factory.history.causes import CauseGroup, read_causes
from attractor.factory.history.index import RunIndex
from attractor.language.source.text import visible
from attractor.records.diagnosis.diagnose import Diagnosis, diagnose as examine
from attractor.records.lookup import LATEST, find_run, reference_of
from attractor.records.stage_output import describe_failed_output
from attractor.records.summary import summarize
from attractor.records.totals import StageTotal, costliest, slowest

_MOST = 8
"""The maximum number of lines in a section; --json has all."""


_LONGEST_REASON = 60


@click.command()
@run_argument(default="")
@click.option(
    "--since",
    metavar="TIME",
    help="Group the failed, stopped and no-go runs of the project by cause: runs that started "
    "after this time, such as 2026-01-31, or in this last time, such as 7d.",
)
@json_option
@click.pass_obj
def diagnose(invocation: Invocation, reference: str, since: str | None, as_json: bool) -> ExitCode:
    """Explain why a run ended or stopped, and list remedies.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest' (default: latest).
    The diagnosis lists the chain of causes, the slowest and the most expensive stages, loops,
    retries, stages whose success was assumed, interruptions, and a command for each remedy. The
    diagnosis is computed from the records of the run, without calling a model.

    With --since: the causes of all runs of the project that failed, or stopped and can be resumed,
    and in a table of their own the rules of the gate of those judged no-go.
    Runs have the same cause if class, reason, pipeline and node are equal; paths, times, ids and
    counts in a reason are ignored, and pipeline and node of a cause of the machine or a provider.
    """
    if since is not None and reference:
        raise UsageError("--since takes no run", hint=f"attractor diagnose --since {since}")
    if since is not None:
        return _diagnose_all(invocation, since, as_json=as_json)
    runs_dir = invocation.configuration.settings.runs_dir
    root = find_run(reference or LATEST, runs_dir)
    name, pull = reference_of(root, runs_dir), proposed(invocation, summarize(root))
    url = pull.url if pull and pull.is_open else ""
    found = examine(root, reference=name, now=SystemClock().now(), open_pull=url)
    return show_result(found.to_record(), diagnosis_text(found), as_json=as_json)


def _diagnose_all(invocation: Invocation, since: str, *, as_json: bool) -> ExitCode:
    settings = invocation.configuration.settings
    began = read_since(since).astimezone(UTC).isoformat()
    index = RunIndex(settings.state_dir, on_progress=show_indexing)
    groups = read_causes(index, settings.runs_dir, began)
    failed = [group for group in groups if not group.cause.is_no_go]
    no_goes = [group for group in groups if group.cause.is_no_go]
    if as_json:
        now = SystemClock().now()
        records = {
            name: [group.to_record(now) for group in found]
            for name, found in (("causes", failed), ("no_goes", no_goes))
        }
        show_json({"since": began, **records})
    elif groups:
        show("\n".join(map(visible, _causes_text(failed, no_goes))))
    else:
        show(f"No run failed, stopped, or was judged no-go since {began}.")
    return ExitCode.DONE


def _causes_text(failed: Sequence[CauseGroup], no_goes: Sequence[CauseGroup]) -> Iterator[str]:
    if failed:
        yield from _group_lines("cause", failed)
    if failed and no_goes:
        yield ""
    if no_goes:
        yield from _group_lines("no-go by", no_goes)


def _group_lines(title: str, groups: Sequence[CauseGroup]) -> Iterator[str]:
    heading = ("runs", "tokens", "cost", "first", "last", "where", title)
    rows = [heading, *map(_group_row, groups[:_MOST])]
    first, *lines = table([[visible(cell) for cell in row] for row in rows])
    yield first
    now = SystemClock().now()
    for line, group in zip(lines, groups[:_MOST], strict=True):
        yield line
        names = [run.run_id for run in group.runs[-_MOST:]]
        more = ["..."] if len(group.runs) > _MOST else []
        yield f"  runs: {' '.join([*more, *names])}"
        for remedy in group.read_advice(now)[:1]:
            yield f"  latest: {remedy.what}"
            yield from [f"      {remedy.command}"] if remedy.command else []
        if group.last_success:
            facts = [
                f"{one.fact} {one.before or '-'} -> {one.now or '-'}" for one in group.differences
            ]
            changes = ", ".join(facts) or "no change"
            yield f"  since the last success {group.last_success}: {changes}"
    if len(groups) > _MOST:
        yield f"  and {len(groups) - _MOST} more (see --json)"


def _group_row(group: CauseGroup) -> tuple[str, ...]:
    usage = group.usage
    return (
        str(len(group.runs)),
        format_number(usage.tokens),
        format_usage_cost(usage),
        f"{group.first:%Y-%m-%d %H:%M}",
        f"{group.last:%Y-%m-%d %H:%M}",
        group.cause.place,
        shorten(group.cause.reason, _LONGEST_REASON),
    )


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
