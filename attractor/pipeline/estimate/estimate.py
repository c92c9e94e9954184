"""Estimates the cost and the time of a run, with the basis of each number.

The basis is earlier runs of the same pipeline, otherwise the graph itself. Without earlier runs,
the number of model calls of a stage is an assumption (marked as assumed in the result), and prices
come from the catalogue. A value without any basis is unknown.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.engine.prompts.inherited_context import ModelTask, is_conversation_turn, model_task
from attractor.engine.routing.retry import retry_policy
from attractor.language.graph.graph import Graph, Node
from attractor.language.graph.paid_loops import paid_loops
from attractor.pipeline.estimate.samples import (
    NONE_AT_ALL,
    UNKNOWN,
    Assumption,
    Range,
    Sample,
    Samples,
    cost_known,
    spread,
)
from attractor.pipeline.source.read import PipelineSource
from attractor.records.timeline import CompletedVisit

RUNS_PIPELINES = frozenset({"pipeline", "stack.manager_loop"})
DOES_NOTHING = frozenset({"conditional"})
_OF_BRANCHES = frozenset({"parallel", "for_each"})


@dataclass(frozen=True)
class StageEstimate:
    """The estimate of one node: the number of visits in a run, and the time and cost of a visit."""

    node: str
    type: str
    visits: Range
    seconds: Range
    cost_usd: Range
    tokens: Range
    basis: str


@dataclass(frozen=True)
class RoundEstimate:
    """The estimate of one round of a loop that costs money."""

    nodes: Sequence[str]
    seconds: Range
    cost_usd: Range


@dataclass(frozen=True)
class Estimate:
    """The estimate of a run: totals, stages, rounds of loops, and the basis of the numbers.

    `unknown` are the nodes without any basis; the totals do not include them.
    """

    pipeline: str
    runs: int
    seconds: Range
    cost_usd: Range
    tokens: Range
    basis: Sequence[str]
    unknown: Sequence[str]
    stages: Sequence[StageEstimate]
    rounds: Sequence[RoundEstimate] = ()


Assume = Callable[[Node], Assumption | None]
"""Type of a function that returns the assumption about a visit, or None."""


def estimate(
    pipeline: PipelineSource, samples: Samples, *, backend: str, assume: Assume | None = None
) -> Estimate:
    """Estimate a run with a backend, from earlier runs, otherwise from assumptions."""
    graph = pipeline.graph
    is_modelled = any(is_conversation_turn(node) for node in graph.nodes.values())
    alike = [one for one in samples.runs if _is_alike(one, graph)]
    used = [one for one in alike if not is_modelled or one.backend == backend]
    ended = [one for one in used if one.has_succeeded]
    known = frozenset[str]().union(*(one.nodes for one in used))
    working = [node for node in graph.nodes.values() if node.type not in ("start", "exit")]
    stages = [_stage(node, graph, used, assume) for node in working]
    seconds = _total(ended, lambda one: one.seconds) or _time_by_graph(graph, stages)
    return Estimate(
        pipeline=graph.name,
        seconds=seconds,
        cost_usd=_costs(ended) or _cost_by_graph(graph, stages),
        tokens=_total(ended, _tokens_of_run) or _once(one.tokens for one in stages),
        stages=stages,
        runs=len(ended),
        basis=[*_basis(pipeline, ended), *_left_out(samples, alike, used), *_limits(graph)],
        unknown=[node for node in graph.nodes if used and node not in known],
        rounds=[_round(loop, stages) for loop in paid_loops(graph)],
    )


def _round(loop: Sequence[str], stages: Sequence[StageEstimate]) -> RoundEstimate:
    """Return the estimate of one round, in which each stage of a loop is visited once."""
    inside = [one for one in stages if one.node in loop]
    seconds, costs = (one.seconds for one in inside), (one.cost_usd for one in inside)
    return RoundEstimate([one.node for one in inside], _once(seconds), _once(costs))


def _stage(
    node: Node, graph: Graph, used: Sequence[Sample], assume: Assume | None
) -> StageEstimate:
    visits = [made for run in used for made in run.visits if made.node == node.id]
    if not visits:
        return _without_visits(node, graph, used, assume)
    whole = [run for run in used if run.is_whole and node.id in run.nodes]
    runs = sum(1 for run in used if run.count(node.id))
    return StageEstimate(
        node.id,
        node.type,
        visits=spread([float(run.count(node.id)) for run in whole]),
        seconds=spread([made.visit.seconds for made in visits]),
        cost_usd=_costs_of_visits(visits),
        tokens=spread([_tokens(made) for made in visits]),
        basis=f"{number_of(len(visits), 'visit')} in {number_of(runs, 'run')}",
    )


def _without_visits(
    node: Node, graph: Graph, used: Sequence[Sample], assume: Assume | None
) -> StageEstimate:
    """Return the estimate of a node without earlier visits, by its attributes or by assumption."""
    is_in_runs = any(node.id in run.nodes for run in used)
    basis = "not visited by any earlier run" if is_in_runs else "in no earlier run"
    costs = UNKNOWN if _node_may_cost(node) else NONE_AT_ALL
    seconds, said = _seconds_by_graph(node, graph)
    assumed = (assume and assume(node)) or Assumption(UNKNOWN, costs, costs, "")
    return StageEstimate(
        node.id,
        node.type,
        visits=UNKNOWN,
        seconds=_at_most(assumed.seconds, seconds.high) if assumed.seconds.is_known else seconds,
        cost_usd=assumed.cost_usd,
        tokens=assumed.tokens,
        basis="; ".join(filter(None, [basis, said, assumed.basis])),
    )


def _seconds_by_graph(node: Node, graph: Graph) -> tuple[Range, str]:
    if node.type in DOES_NOTHING:
        return NONE_AT_ALL, "it does no work"
    if node.type in _OF_BRANCHES:
        return UNKNOWN, "as long as its branches"
    wait = node.attributes.duration("duration")
    if node.type == "wait" and wait is not None:
        return _exactly(wait), "the duration of the node"
    limit = node.attributes.duration("timeout")
    if limit is None:
        return UNKNOWN, ""
    attempts = retry_policy(node, graph).max_attempts
    most = limit.total_seconds() * attempts
    return Range(high=most), f"timeout of the node, {number_of(attempts, 'attempt')} at most"


def _exactly(duration: timedelta) -> Range:
    seconds = duration.total_seconds()
    return Range(seconds, seconds, seconds)


def _total(runs: Sequence[Sample], of: Callable[[Sample], float]) -> Range | None:
    return spread([of(one) for one in runs]) if runs else None


def _costs(runs: Sequence[Sample]) -> Range | None:
    known = [one.usage.cost_usd for one in runs if cost_known(one.usage)]
    if not runs:
        return None
    return spread(known)


def _costs_of_visits(visits: Sequence[CompletedVisit]) -> Range:
    usages = [one.visit.outcome.usage for one in visits]
    return spread([one.cost_usd for one in usages if cost_known(one)])


def _tokens(made: CompletedVisit) -> float:
    usage = made.visit.outcome.usage
    return float(usage.input_tokens + usage.output_tokens)


def _tokens_of_run(run: Sample) -> float:
    return float(run.usage.input_tokens + run.usage.output_tokens)


def _time_by_graph(graph: Graph, stages: Sequence[StageEstimate]) -> Range:
    """Return the time of all stages, each visited once; limits in the graph set the maximum."""
    limit = graph.attributes.duration("max_duration")
    most = limit.total_seconds() if limit is not None else None
    return _at_most(_once(one.seconds for one in stages), most)


def _cost_by_graph(graph: Graph, stages: Sequence[StageEstimate]) -> Range:
    limit = graph.attributes.text("max_cost_usd")
    return _at_most(_once(one.cost_usd for one in stages), float(limit) if limit else None)


def _once(ranges: Iterable[Range]) -> Range:
    """Return the total of all stages, each visited once; unknown if any stage is unknown."""
    low = likely = high = 0.0
    for one in ranges:
        if one.low is None or one.likely is None or one.high is None:
            return UNKNOWN
        low, likely, high = low + one.low, likely + one.likely, high + one.high
    return Range(low, likely, high)


def _at_most(one: Range, most: float | None) -> Range:
    """Return a range whose values do not exceed a limit."""
    if most is None or (one.high is not None and one.high <= most):
        return one
    low, likely = (None if end is None else min(end, most) for end in (one.low, one.likely))
    return Range(low, likely, most)


def _node_may_cost(node: Node) -> bool:
    return node.type in RUNS_PIPELINES or model_task(node) is not ModelTask.NOTHING


def _is_alike(run: Sample, graph: Graph) -> bool:
    """Return whether a run used this pipeline: at least half of the nodes are the same."""
    nodes = set(graph.nodes)
    return 2 * len(nodes & run.nodes) >= len(nodes)


def _basis(pipeline: PipelineSource, ended: Sequence[Sample]) -> Iterator[str]:
    """Return sentences on the basis of the totals."""
    if not ended:
        yield "no earlier run succeeded: the totals count each stage once, without loops"
        return
    same = sum(one.content_hash == pipeline.content_hash for one in ended)
    yield (
        f"from {number_of(len(ended), 'earlier run')} that succeeded, {same} with the "
        "same pipeline text"
    )
    if len(ended) == 1:
        yield "based on one run only: the next run may differ a lot"
    if not all(cost_known(one.usage) for one in ended):
        yield "some runs used tokens without a known price, so their cost is not known"


def _left_out(samples: Samples, alike: Sequence[Sample], used: Sequence[Sample]) -> Iterator[str]:
    """Return sentences on the earlier runs that are left out."""
    for name, count in Counter(one.backend for one in alike if one not in used).items():
        yield (
            f"{number_of(count, 'run')} with the backend {name} left out (include with "
            f"--backend {name})"
        )
    if others := len(samples.runs) - len(alike):
        yield f"{number_of(others, 'run')} of another pipeline with this name left out"
    if samples.unreadable:
        yield f"{number_of(samples.unreadable, 'run')} left out, because unreadable"


def _limits(graph: Graph) -> Iterator[str]:
    for name in ("max_cost_usd", "max_tokens", "max_duration"):
        if written := graph.attributes.text(name):
            yield f"the run stops at {name}={written}, and can be resumed"
