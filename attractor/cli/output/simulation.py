"""Prints simulated walks, step by step, and the coverage of a pipeline for people."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.engine.routing.edge_selection import CandidateVerdict, Loop, Route, RouteReason
from attractor.engine.simulation.coverage import Coverage
from attractor.engine.simulation.records import count_loops, describe_cut
from attractor.engine.simulation.walk import SimulatedStep, SimulatedWalk
from attractor.language.graph.graph import Edge, Graph
from attractor.language.source.text import visible

_WHY: Mapping[RouteReason, str] = {
    RouteReason.CONDITION: "its condition is true",
    RouteReason.PREFERRED_LABEL: "the outcome prefers its label",
    RouteReason.SUGGESTED_NEXT_ID: "the outcome suggests its target",
    RouteReason.WEIGHT: "highest weight, then first target in alphabetical order",
    RouteReason.INTO_CONDITIONAL: "the target is a conditional, which handles the failure",
    RouteReason.RETRY_TARGET: "retry_target after a failure",
    RouteReason.FALLBACK_RETRY_TARGET: "fallback_retry_target after a failure",
    RouteReason.GOAL_GATE: "a goal gate is not satisfied",
    RouteReason.JOIN: "the node where the branches meet",
    RouteReason.ON_FAILURE: "on_failure=continue ignores the failure",
    RouteReason.NO_EDGES: "the node has no outgoing edge",
    RouteReason.NO_ROUTE: "no edge can be taken",
    RouteReason.FAILED: "no edge to take after the failure",
}
_WIDEST = 40


def walk_text(walk: SimulatedWalk) -> str:
    """Return all steps and the result of a walk as text for people."""
    steps = [line for number, step in enumerate(walk.steps, 1) for line in _step(number, step)]
    return "\n".join([*steps, "", *_summary(walk)])


def edge_text(edge: Edge) -> str:
    """Return an edge as one line, with both nodes, the label and the condition."""
    return visible(" ".join([f"{edge.source} ->", *_words(edge)]))


def loop_text(loop: Loop) -> str:
    """Return a loop as one line, shortened if it is long."""
    shown = loop[:_WIDEST]
    rest = f" -> ... ({len(loop)} nodes)" if len(loop) > len(shown) else ""
    return visible(" -> ".join(shown) + (rest or f" -> {loop[0]}"))


def _words(edge: Edge) -> list[str]:
    condition = edge.attributes.text("condition").strip()
    label = f'"{edge.label}"' if edge.label else ""
    return [one for one in (edge.target, label, f"[{condition}]" if condition else "") if one]


def _step(number: int, step: SimulatedStep) -> Iterator[str]:
    visit = step.visit
    again = f" (visit {visit.number})" if visit.number > 1 else ""
    tries = f" after {visit.attempts} attempts" if visit.attempts > 1 else ""
    where = f"  [{step.branch}]" if step.branch else ""
    if step.visit.is_transparent:
        result = f"keeps the outcome {step.status}"
    else:
        outcome = step.visit.outcome
        label = f', prefers "{outcome.preferred_label}"' if outcome.preferred_label else ""
        reason = f" ({outcome.failure_reason})" if outcome.failure_reason else ""
        result = f"{outcome.status}{label}{reason}"
    yield visible(f"{number:>3}  {visit.node}{again}: {result}{tries}{where}")
    for route in step.decision.routes:
        is_followed = route is step.decision.routes[-1]
        rows = [(" ".join(_words(candidate.edge)), candidate) for candidate in route.candidates]
        width = min(_WIDEST, max((len(words) for words, _ in rows), default=0))
        for words, one in rows:
            fate = (
                _taken(route, is_followed=is_followed)
                if one.fate is CandidateVerdict.WON
                else one.fate
            )
            yield visible(f"     -> {words:<{width}}  {fate}")
        if route.edge is None:
            jump = "" if route.reason is RouteReason.JOIN else "jump: "
            words = f"=> {route.target}  {jump}" if route.target else ""
            yield visible(f"     {words}{_WHY[route.reason]}")
    if step.decision.move.is_restart:
        yield visible(f"     restart: a new run begins at {step.decision.move.target}")
    if step.decision.move.end:
        what = "end of the branch" if step.branch else "end"
        yield f"     {what}: {visible(step.decision.move.end.reason)}"


def _taken(route: Route, *, is_followed: bool) -> str:
    is_only = route.reason is RouteReason.WEIGHT and len(route.candidates) == 1
    why = "the only edge" if is_only else _WHY[route.reason]
    return f"{'taken' if is_followed else 'chosen'}: {why}"


def _summary(walk: SimulatedWalk) -> Iterator[str]:
    steps = f"{len(walk.steps)} step{'s' if len(walk.steps) != 1 else ''}"
    if walk.end:
        yield visible(f"{walk.end.status}: {walk.end.reason} (at {walk.end.node}, {steps})")
    else:
        yield f"stopped: {describe_cut(walk)}"
    for loop, times in count_loops(walk).items():
        yield f"loop, {times} time{'s' if times > 1 else ''}: {loop_text(loop)}"
    if walk.without_receipt:
        yield visible(f"no receipt was taken of {', '.join(walk.without_receipt)}")
    if walk.never_visited:
        yield visible(f"never visited: {', '.join(walk.never_visited)}")
    if walk.never_taken:
        yield "never taken:"
        yield from (f"  {edge_text(edge)}" for edge in walk.never_taken)


def coverage_text(graph: Graph, coverage: Coverage) -> str:
    """Return reachable and unreachable nodes and edges for people."""
    return "\n".join(_coverage_lines(graph, coverage))


def _coverage_lines(graph: Graph, coverage: Coverage) -> Iterator[str]:
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
