"""Prints diagnoses, estimates, freed space and coverage for people."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from attractor.base.amounts import (
    format_cost,
    format_number,
    format_seconds,
    format_size,
    number_of,
)
from attractor.cli.output.simulation import edge_text
from attractor.engine.outcome import describe_usage
from attractor.engine.simulation.coverage import Coverage
from attractor.language.graph.graph import Edge, Graph
from attractor.language.source.text import visible
from attractor.pipeline.diagnosis.diagnose import Diagnosis
from attractor.pipeline.estimate.estimate import Estimate, StageEstimate
from attractor.pipeline.estimate.samples import Range, StageTotal, costliest, slowest
from attractor.pipeline.runs.disk_use import DiskUse
from attractor.pipeline.runs.garbage import YET, Freed, Sweep, name_processes

_MOST = 8


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
    yield from _remedies(one)
    yield from _took(one)
    yield from _section("loops", [_loop(nodes, times) for nodes, times in one.loops])
    retried = [_retried(stage, one) for stage in one.stages if stage.retries]
    yield from _section("retries", retried)
    yield from _section("assumptions", one.assumed)
    yield from _section("not kept", one.not_kept)
    notes = [f"{note.time:%Y-%m-%d %H:%M:%S}  {note.words}" for note in one.interruptions]
    yield from _section("interruptions", notes)


def _remedies(one: Diagnosis) -> Iterator[str]:
    if one.finding.remedies:
        yield "remedies"
    for remedy in one.finding.remedies:
        yield f"  {remedy.what}"
        if remedy.command:
            yield f"      {remedy.command}"


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


UNKNOWN = "unknown"

_Write = Callable[[float], str]


def estimate_text(one: Estimate) -> str:
    """Return an estimate as text."""
    return "\n".join(map(visible, _estimates_lines(one)))


def _estimates_lines(one: Estimate) -> Iterator[str]:
    yield f"{one.pipeline}: {one.basis[0]}"
    yield from (f"  {reason}" for reason in one.basis[1:])
    yield ""
    yield from _table(
        [
            ("", "low", "likely", "high"),
            ("time", *_three(one.seconds, format_seconds)),
            ("cost", *_three(one.cost_usd, format_cost)),
            ("tokens", *_three(one.tokens, format_number)),
        ]
    )
    if one.unknown:
        yield f"not included, because no earlier run visited them: {', '.join(one.unknown)}"
    for round_ in one.rounds:
        cost, time = _short(round_.cost_usd, format_cost), _short(round_.seconds, format_seconds)
        yield f"one round of the loop {', '.join(round_.nodes)}: cost {cost}, time {time}"
    yield ""
    heading = ("stage", "type", "visits per run", "time per visit", "cost per visit", "based on")
    yield from _table([heading, *map(_row, one.stages)])


def _row(one: StageEstimate) -> tuple[str, ...]:
    return (
        one.node,
        one.type,
        _short(one.visits, lambda value: f"{value:g}"),
        _short(one.seconds, format_seconds),
        _short(one.cost_usd, format_cost),
        one.basis,
    )


def _three(one: Range, write: _Write) -> tuple[str, ...]:
    return tuple(
        UNKNOWN if value is None else write(value) for value in (one.low, one.likely, one.high)
    )


def _short(one: Range, write: _Write) -> str:
    """Return a range as text: the likely value, and the limits if they differ."""
    if one.likely is None:
        return UNKNOWN if one.high is None else f"at most {write(one.high)}"
    low, likely, high = _three(one, write)
    return likely if low == high else f"{likely} ({low} to {high})"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def disk_text(use: DiskUse) -> str:
    """Return the disk space in use as text."""
    lines = [f"{format_size(one.bytes):>10}  {one.what:<10}  {one.path}" for one in use.folders]
    free = f"{format_size(use.free)} of {format_size(use.total)} free"
    space = f"{format_size(use.used):>10}  in use, {free}"
    return "\n".join(map(visible, [*lines, space]))


def sweep_text(swept: Sweep) -> str:
    """Return the result of a garbage collection as text."""
    return "\n".join(map(visible, _sweeps_lines(swept)))


def _sweeps_lines(swept: Sweep) -> Iterator[str]:
    ended = "would be ended" if swept.is_dry else "ended"
    for run_id, processes in swept.ended.items():
        names = name_processes(processes)
        yield f"{run_id}  {ended}: processes left by a killed run process: {names}"
    by_run: dict[tuple[str, str], list[Freed]] = {}
    for one in swept.freed:
        by_run.setdefault((one.run_id, one.why), []).append(one)
    for (run_id, _), freed in by_run.items():
        yield f"{_name(run_id)}  {format_size(sum(one.bytes for one in freed)):>10}  {_what(freed)}"
    would = "would be freed" if swept.is_dry else "freed"
    yield f"{format_size(swept.bytes)} {would}" if swept.freed else f"nothing {would}"
    reasons = Counter(swept.kept.values())
    for why, count in reasons.items():
        runs = "1 run keeps its files" if count == 1 else f"{count} runs keep their files"
        yield f"{runs}: {why}"
    if any(why.endswith(YET) for why in reasons):
        yield "to include newer runs, add --older-than 0s"
    for trouble in swept.troubles:
        yield f"trouble: {trouble}"


def _name(run_id: str) -> str:
    return run_id or "temporary files             "


def _what(freed: list[Freed]) -> str:
    kinds = Counter(one.what for one in freed)
    items = (f"{count} {what}s" if count > 1 else what for what, count in kinds.items())
    return f"{', '.join(items)} ({freed[0].why})"


def coverage_text(graph: Graph, coverage: Coverage) -> str:
    """Return reachable and unreachable nodes and edges for people."""
    return "\n".join(_coverages_lines(graph, coverage))


def _coverages_lines(graph: Graph, coverage: Coverage) -> Iterator[str]:
    nodes, edges = len(graph.nodes), len(graph.edges)
    reached, taken = len(coverage.nodes), edges - len(coverage.unreachable_edges)
    yield f"{reached} of {nodes} nodes and {taken} of {edges} edges can be reached"
    if coverage.unreachable_nodes:
        yield visible(f"unreachable nodes: {', '.join(coverage.unreachable_nodes)}")
    yield from _listed("unreachable edges:", coverage.unreachable_edges)
    yield from _listed(
        "edges that can only be taken if suggested_next_ids of an outcome contains their target:",
        coverage.only_suggested,
    )
    yield from _listed(
        "assumed reachable, because there are too many combinations to try:", coverage.untried
    )


def _listed(heading: str, edges: Sequence[Edge]) -> Iterator[str]:
    if edges:
        yield heading
        yield from (f"  {edge_text(edge)}{_line(edge)}" for edge in edges)


def _line(edge: Edge) -> str:
    return f"  (line {edge.span.line})" if edge.span.is_somewhere else ""
