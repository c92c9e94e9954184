"""Says how simulated stages end: a word, a report as agents write it, or a list, one a visit.

{"plan": "success", "test": ["fail", {"outcome": "success", "notes": "green now"}]}
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from attractor.base.canonical import Json
from attractor.base.errors import UnknownName, UsageError
from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.reports import check_report

_NEEDS_REASON = (StageStatus.FAIL, StageStatus.RETRY)


@dataclass(frozen=True)
class SimulatedOutcomes:
    """The outcomes of nodes, one a visit; the last one holds for all visits after it."""

    by_node: Mapping[str, Sequence[Outcome]] = field(default_factory=dict[str, Sequence[Outcome]])

    def at(self, node: str, visit: int) -> Outcome | None:
        """Return the outcome of a visit, the first of which is 1, or None for an unnamed node."""
        outcomes = self.by_node.get(node)
        return outcomes[min(visit, len(outcomes)) - 1] if outcomes else None


NO_OUTCOMES = SimulatedOutcomes()


def read_outcomes(written: Json, *, nodes: Iterable[str]) -> SimulatedOutcomes:
    """Read the outcomes of a pipeline's nodes, or say what is wrong with them."""
    if not isinstance(written, dict):
        raise UsageError(
            "outcomes are written as a table of nodes", hint='for example {"test": ["fail"]}'
        )
    known = set(nodes)
    for node in written:
        if node not in known:
            raise UnknownName("node", node, known)
    return SimulatedOutcomes({node: _read_visits(node, one) for node, one in written.items()})


def _read_visits(node: str, written: Json) -> Sequence[Outcome]:
    visits = written if isinstance(written, list) else [written]
    if not visits:
        raise UsageError(f"node {node!r} has an empty list of outcomes", hint="name one at least")
    return tuple(_read_outcome(node, visit) for visit in visits)


def _read_outcome(node: str, written: Json) -> Outcome:
    report = written if isinstance(written, dict) else {"outcome": written}
    try:
        outcome = check_report(report)
    except InvalidReport as error:
        raise InvalidReport(f"outcome of node {node!r}: {error}", hint=error.hint) from error
    if outcome.status in _NEEDS_REASON and not outcome.failure_reason:
        return replace(outcome, failure_reason=f"simulated {outcome.status.value} of {node}")
    return outcome
