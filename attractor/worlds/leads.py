"""What an actor may do with other actors: the rules by which it writes to them and starts some."""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError

MOST_HOPS = 8
"""The most tasks in a chain in which one agent gives a task to the next."""

_WORD = re.compile(r"(?P<key>to|most|depth|usd|hourly)=(?P<value>\S+)")
_EXAMPLE = "such as 'to=reviewer,test-* most=3 depth=1 usd=5 hourly=20'"


class LeadRule(StrEnum):
    """A rule that stops an actor, and of which a person should know."""

    STORM = "storm"
    CHAIN = "chain"
    BUDGET = "budget"


class LedTooFar(Refused):
    """An actor was stopped by a rule of which a person should know."""

    def __init__(self, rule: LeadRule, words: str, hint: str) -> None:
        super().__init__(words, hint=hint)
        self.rule = rule


@dataclass(frozen=True)
class Leads:
    """The rights of an actor over others.

    It may write to the actors that it started and to those whose names match `to`, at most `hourly`
    messages an hour between two. It may start `most` actors, which cost at most `usd` together;
    this is set aside from its own budget. They may start others if `depth` is more than 1.
    """

    to: Sequence[str] = ()
    most: int = 0
    depth: int = 1
    usd: float = 0.0
    hourly: int = 20

    def __str__(self) -> str:
        to = [f"to={','.join(self.to)}"] if self.to else []
        starts = [f"most={self.most} depth={self.depth} usd={self.usd:g}"] if self.most else []
        return " ".join([*to, *starts, f"hourly={self.hourly}"])

    def names(self, *names: str) -> bool:
        """Return whether one of the names of an actor is among those that it may write to."""
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.to)

    def for_started(self, usd: float) -> "Leads":
        """Return the rights of an actor that this one starts with a budget.

        It may give away half of its budget.
        """
        if self.depth > 1:
            return Leads(self.to, self.most, self.depth - 1, usd / 2, self.hourly)
        return Leads(self.to, hourly=self.hourly)


def parse_leads(text: str) -> Leads:
    """Read the rights as a person writes them, such as `to=test-* most=3 usd=5`."""
    found: dict[str, str] = {}
    for word in text.split():
        match = _WORD.fullmatch(word)
        if not match or match["key"] in found:
            raise UsageError(f"invalid rights over other actors: {word}", hint=_EXAMPLE)
        found[match["key"]] = match["value"]
    to = tuple(filter(None, found.get("to", "").split(",")))
    most, depth, hourly = (
        _whole(found.get(key, default), key)
        for key, default in (("most", "0"), ("depth", "1"), ("hourly", "20"))
    )
    usd = _amount(found.get("usd", "0"))
    if not (to or most):
        hint = f"name actors (to=), or a number (most=), {_EXAMPLE}"
        raise UsageError("these rights allow nothing", hint=hint)
    if bool(most) != (usd > 0):
        raise UsageError("most= and usd= belong together", hint=_EXAMPLE)
    return Leads(to, most, depth, usd, hourly)


def _whole(value: str, key: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 4:
        raise UsageError(f"{key}={value} is no number", hint=_EXAMPLE)
    if key != "most" and value.strip("0") == "":
        raise UsageError(f"{key}={value} is too small", hint=_EXAMPLE)
    return int(value)


def _amount(value: str) -> float:
    try:
        amount = float(value)
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount >= 0):
        raise UsageError(f"usd={value} is no amount", hint=_EXAMPLE)
    return amount


def require_calm(sent: Iterable[datetime], now: datetime, hourly: int, other: str) -> None:
    """Refuse a message if two actors have exchanged as many in an hour as they may."""
    count = sum(now - timedelta(hours=1) < at <= now for at in sent)
    if count >= hourly:
        raise LedTooFar(
            LeadRule.STORM,
            f"{count} messages within an hour between this actor and {other}",
            "end your task; a person is told",
        )


def require_short(hops: int) -> None:
    """Refuse a task at the end of a long chain, in which agents give tasks to each other."""
    if hops > MOST_HOPS:
        raise LedTooFar(
            LeadRule.CHAIN,
            f"this would be task {hops} of a chain of agents that give each other tasks",
            "do it yourself, or end your task; a person is told",
        )


def require_budget(usd: float, spent: float, leads: Leads) -> None:
    """Refuse to start an actor for more than what is left of the budget for others."""
    left = leads.usd - spent
    # Sums of amounts such as 0.1 are not exact.
    if usd > left + 1e-9:
        raise LedTooFar(
            LeadRule.BUDGET,
            f"{usd:g} USD are more than what is left for other actors: {max(0, left):g} USD",
            "ask for less, or do it yourself; a person is told",
        )
