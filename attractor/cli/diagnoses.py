"""Tells a person what is wrong with a run, and what to do."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from attractor.base.durations import describe_duration
from attractor.cli.amounts import cost_of
from attractor.language.source.text import visible
from attractor.pipeline.diagnosis.diagnose import Diagnosis
from attractor.pipeline.estimate.samples import StageTotal, costliest, slowest

_MOST = 8


def diagnosis_text(one: Diagnosis) -> str:
    """Return a diagnosis in lines."""
    return "\n".join(map(visible, _lines(one)))


def lasted(seconds: float) -> str:
    """Return a time for people."""
    return describe_duration(timedelta(milliseconds=round(1000 * seconds)))


def _lines(one: Diagnosis) -> Iterator[str]:
    yield f"run {one.case.run.run_id}: {one.finding.verdict}"
    if one.case.run.manifest.forked_at:
        manifest = one.case.run.manifest
        yield f"  forked from {manifest.parent} before {manifest.forked_at}"
    for number, cause in enumerate(one.finding.causes, 1):
        yield f"  {number}. {cause}"
    yield from _remedies(one)
    yield from _took(one)
    yield from _section("loops", [_loop(nodes, times) for nodes, times in one.loops])
    retried = [_retried(stage, one) for stage in one.stages if stage.retries]
    yield from _section("tried again", retried)
    yield from _section("assumed", one.assumed)
    yield from _section("not kept", one.not_kept)
    notes = [f"{note.time:%Y-%m-%d %H:%M:%S}  {note.words}" for note in one.interruptions]
    yield from _section("interruptions", notes)


def _remedies(one: Diagnosis) -> Iterator[str]:
    if one.finding.remedies:
        yield "what to do"
    for remedy in one.finding.remedies:
        yield f"  {remedy.what}"
        if remedy.command:
            yield f"      {remedy.command}"


def _took(one: Diagnosis) -> Iterator[str]:
    if not one.stages:
        return
    waited = f", {lasted(one.waited)} of them for people" if one.waited else ""
    taken_over = ", with what it took over" if one.case.run.manifest.forked_at else ""
    yield f"it took {lasted(one.seconds)} at work{taken_over}; {lasted(one.wall)} in all{waited}"
    if one.usage.tokens or one.usage.cost_usd:
        yield f"it used {cost_of(one.usage)}"
    yield from _section("slowest", [_slow(stage) for stage in slowest(one.stages)])
    yield from _section("costliest", [_costly(stage) for stage in costliest(one.stages)])


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield title
    yield from (f"  {line}" for line in lines[:_MOST])
    if len(lines) > _MOST:
        yield f"  and {len(lines) - _MOST} more: --json has them"


def _slow(stage: StageTotal) -> str:
    return f"{stage.node}: {lasted(stage.seconds)}{_visits(stage)}"


def _costly(stage: StageTotal) -> str:
    return f"{stage.node}: {cost_of(stage.usage)}{_visits(stage)}"


def _visits(stage: StageTotal) -> str:
    return f" in {stage.visits} visits" if stage.visits > 1 else ""


def _retried(stage: StageTotal, one: Diagnosis) -> str:
    errors = [
        failure.error
        for failure in one.case.history.failures
        if failure.node == stage.node and failure.will_retry
    ]
    why = f", the last time for: {errors[-1]}" if errors else ""
    return f"{stage.node}: {stage.attempts} attempts in {stage.visits} visit(s){why}"


def _loop(nodes: Sequence[str], times: int) -> str:
    return f"{' -> '.join([*nodes, nodes[0]])}, {times} time(s)"
