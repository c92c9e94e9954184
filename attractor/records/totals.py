"""The totals of the visits of each node: time, usage and retries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import NOTHING_USED, Usage, usage_figures
from attractor.engine.state.attempts import InFlight
from attractor.engine.state.walks import LONG_AGO
from attractor.records.timeline import CompletedVisit

MOST = 5


WORTH_LISTING = 0.001
"""The amount of seconds, dollars or tokens from which a stage is listed."""


@dataclass(frozen=True)
class StageTotal:
    """The total of all visits of one node, and the outcome of the last visit."""

    node: str
    visits: int = 0
    attempts: int = 0
    seconds: float = 0.0
    usage: Usage = NOTHING_USED
    outcome: str = ""

    @property
    def retries(self) -> int:
        """The number of retries."""
        return self.attempts - self.visits

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the total."""
        return {
            "node": self.node,
            "visits": self.visits,
            "attempts": self.attempts,
            "seconds": round(self.seconds, 3),
            **usage_figures(self.usage),
            "outcome": self.outcome,
        }


def add_up(
    visits: Iterable[CompletedVisit], flights: Iterable[InFlight] = (), now: datetime = LONG_AGO
) -> Sequence[StageTotal]:
    """Return the total of each node, in the order of the first visit.

    Visits in flight count with their usage so far.
    """
    totals: dict[str, StageTotal] = {}
    for made in visits:
        totals[made.node] = _with(totals.get(made.node, StageTotal(made.node)), made)
    for flight in flights:
        before = totals.get(flight.node, StageTotal(flight.node))
        totals[flight.node] = _with_flight(before, flight, now)
    return list(totals.values())


def slowest(totals: Sequence[StageTotal]) -> Sequence[StageTotal]:
    """Return the nodes with the longest time."""
    return _most(totals, {total.node: total.seconds for total in totals})


def costliest(totals: Sequence[StageTotal]) -> Sequence[StageTotal]:
    """Return the nodes with the highest cost; without any price, the nodes with the most tokens."""
    money = {total.node: total.usage.cost_usd for total in totals}
    tokens = {total.node: total.usage.tokens for total in totals}
    return _most(totals, money if any(money.values()) else tokens)


def _most(totals: Sequence[StageTotal], by: Mapping[str, float]) -> Sequence[StageTotal]:
    some = [total for total in totals if by[total.node] >= WORTH_LISTING]
    return sorted(some, key=lambda total: -by[total.node])[:MOST]


def _with(total: StageTotal, made: CompletedVisit) -> StageTotal:
    visit = made.visit
    return StageTotal(
        total.node,
        total.visits + 1,
        total.attempts + visit.attempts,
        total.seconds + visit.seconds,
        total.usage + visit.outcome.usage,
        visit.outcome.status.value,
    )


def _with_flight(total: StageTotal, flight: InFlight, now: datetime) -> StageTotal:
    return replace(
        total,
        visits=total.visits + 1,
        attempts=total.attempts + flight.attempt,
        seconds=total.seconds + flight.seconds(now),
        usage=total.usage + flight.spent,
    )
