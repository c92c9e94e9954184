"""The budgets of a run: limits on cost, tokens and time (ruling R12)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TypeVar

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.json import Json
from attractor.engine.journal.events import BudgetsSet, BudgetWarning
from attractor.engine.outcome import Usage
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Exhausted
from attractor.engine.storage.json_files import Fields
from attractor.language.graph.graph import Graph

WARNING_SHARE = 0.8
"""The share of a budget at which the run warns that the budget is nearly exhausted."""

_Amount = TypeVar("_Amount", float, int, timedelta)


@dataclass(frozen=True)
class Budgets:
    """The limits of a run; None means no limit."""

    cost_usd: float | None = None
    tokens: int | None = None
    duration: timedelta | None = None

    def __str__(self) -> str:
        """Return the limits for people; empty without any limit."""
        cost = None if self.cost_usd is None else f"{self.cost_usd:.12g} USD"
        tokens = None if self.tokens is None else number_of(self.tokens, "token")
        duration = None if self.duration is None else describe_duration(self.duration)
        return ", ".join(filter(None, [cost, tokens, duration]))

    def over(self, other: "Budgets") -> "Budgets":
        """Return these budgets; a missing limit is taken from `other`."""
        return Budgets(
            other.cost_usd if self.cost_usd is None else self.cost_usd,
            other.tokens if self.tokens is None else self.tokens,
            other.duration if self.duration is None else self.duration,
        )

    def within(self, other: "Budgets") -> "Budgets":
        """Return the budgets in which each limit is the lower limit of `self` and `other`."""
        return Budgets(
            _lesser(self.cost_usd, other.cost_usd),
            _lesser(self.tokens, other.tokens),
            _lesser(self.duration, other.duration),
        )

    def remaining_after(self, run: OpenRun) -> "Budgets":
        """Return these budgets minus the amounts that a run has used so far."""
        return self.less(run.state.used, timedelta(seconds=run.progress.seconds))

    def less(self, used: Usage, spent: timedelta) -> "Budgets":
        """Return these budgets minus a usage and a working time."""
        return Budgets(
            None if self.cost_usd is None else self.cost_usd - used.billed_usd,
            None if self.tokens is None else self.tokens - used.tokens,
            None if self.duration is None else self.duration - spent,
        )

    @property
    def are_spent(self) -> bool:
        """Whether nothing is left of one of them."""
        cost, tokens, duration = self.cost_usd, self.tokens, self.duration
        is_over = duration is not None and duration <= timedelta(0)
        return is_over or any(one is not None and one <= 0 for one in (cost, tokens))

    def require_remaining(
        self, run: OpenRun, used: Usage | None = None, *, evaluated_seconds: float = 0.0
    ) -> None:
        """Warn once of a nearly exhausted budget; halt the run if a budget is exhausted.

        `used` defaults to the usage in the state of the run. `evaluated_seconds` are added to the
        time of the stages.
        """
        for use in self._uses(run, used, evaluated_seconds):
            # Warn first: parallel stages may exhaust a budget together, without a warning before.
            _warn_once(run, use)
            if use.spent >= use.limit:
                raise Exhausted(f"the budget {use.name} is exhausted: {use}")

    def warn(self, run: OpenRun) -> None:
        """Warn once of each nearly exhausted budget."""
        for use in self._uses(run):
            _warn_once(run, use)

    def _uses(
        self, run: OpenRun, used: Usage | None = None, evaluated_seconds: float = 0.0
    ) -> Iterator["_BudgetUse"]:
        if self == NO_BUDGETS:
            return
        used = used or run.state.used
        if self.cost_usd is not None:
            yield _BudgetUse("max_cost_usd", round(used.billed_usd, 6), self.cost_usd)
        if self.tokens is not None:
            yield _BudgetUse("max_tokens", used.tokens, self.tokens)
        if self.duration is not None:
            spent = run.state.seconds(run.clock.now()) + evaluated_seconds
            yield _BudgetUse("max_duration", round(spent, 3), self.duration.total_seconds())


NO_BUDGETS = Budgets()


@dataclass(frozen=True)
class _BudgetUse:
    """The used amount and the limit of one budget."""

    name: str
    spent: float
    limit: float

    def __str__(self) -> str:
        return f"{self.spent:.12g} of {self.limit:.12g}"


def read_budgets(graph: Graph) -> Budgets:
    """Return the budgets that the attributes of a graph set."""
    attributes = graph.attributes
    cost = attributes.text("max_cost_usd")
    return Budgets(
        cost_usd=float(cost) if cost else None,
        tokens=attributes.number("max_tokens"),
        duration=attributes.duration("max_duration"),
    )


def record_budgets(run: OpenRun, budgets: Budgets, *, by_caller: Budgets) -> None:
    """Record the budgets that apply from now on; budgets without any limit are not recorded.

    The next process continues with those that the caller set.
    """
    if budgets != NO_BUDGETS:
        seconds = budgets.duration.total_seconds() if budgets.duration is not None else None
        caller = budgets_to_record(by_caller)
        run.record(BudgetsSet(budgets.cost_usd, budgets.tokens, seconds, caller))


def budgets_to_record(budgets: Budgets) -> dict[str, Json]:
    """Return the JSON record of budgets, for the manifest."""
    duration = budgets.duration
    return {
        "cost_usd": budgets.cost_usd,
        "tokens": budgets.tokens,
        "seconds": duration.total_seconds() if duration is not None else None,
    }


def budgets_from_record(fields: Fields) -> Budgets:
    """Read budgets from a JSON record."""
    return Budgets(
        fields.real("cost_usd") if fields.has("cost_usd") else None,
        fields.number("tokens") if fields.has("tokens") else None,
        timedelta(seconds=fields.real("seconds")) if fields.has("seconds") else None,
    )


def _lesser(one: _Amount | None, other: _Amount | None) -> _Amount | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _warn_once(run: OpenRun, use: _BudgetUse) -> None:
    if use.spent >= WARNING_SHARE * use.limit and use.name not in run.state.warned:
        run.record(BudgetWarning(use.name, use.spent, use.limit))
