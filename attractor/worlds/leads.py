"""What an actor may do with other actors: the rules by which it writes to them and starts some."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError

MOST_HOPS = 8
"""The most tasks in a chain in which one agent gives a task to the next."""

MOST_STEPS = 100
"""The most tasks and answers between agents that follow from one message of a person."""

_WORD = re.compile(r"to=([\w.*?/-]+,?)+|(most|depth|hourly)=\d{1,4}|usd=\d{1,9}(\.\d+)?", re.ASCII)
_TINY = 1e-9
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
        usd = f"{self.usd:.9f}".rstrip("0").rstrip(".")
        starts = [f"most={self.most} depth={self.depth} usd={usd}"] if self.most else []
        return " ".join([*to, *starts, f"hourly={self.hourly}"])

    def names(self, project: str, name: str, *, is_near: bool) -> bool:
        """Return whether it may write to an actor of the project in a folder, or of its own one."""
        for pattern in self.to:
            folder, _, own = pattern.rpartition("/")
            is_there = fnmatchcase(project, folder) if folder else is_near
            if is_there and fnmatchcase(name, own):
                return True
        return False

    def for_started(self, usd: float) -> "Leads":
        """Return the rights of an actor that this one starts with a budget.

        It may write to the same actors, and give away half of its budget.
        """
        if self.depth > 1:
            return Leads(self.to, self.most, self.depth - 1, usd / 2, self.hourly)
        return Leads(self.to, hourly=self.hourly)


def parse_leads(text: str) -> Leads:
    """Read the rights as a person writes them, such as `to=test-* most=3 usd=5`."""
    found: dict[str, str] = {}
    for word in text.split():
        key, _, value = word.partition("=")
        if not _WORD.fullmatch(word) or key in found:
            raise UsageError(f"invalid rights over other actors: {word!r}", hint=_EXAMPLE)
        found[key] = value
    leads = Leads(
        tuple(filter(None, found.get("to", "").split(","))),
        int(found.get("most", 0)),
        int(found.get("depth", 1)),
        float(found.get("usd", 0)),
        int(found.get("hourly", 20)),
    )
    if not (leads.to or leads.most):
        hint = f"name actors (to=), or a number (most=), {_EXAMPLE}"
        raise UsageError("these rights allow nothing", hint=hint)
    if bool(leads.most) != (leads.usd > 0) or ("depth" in found and not leads.most):
        raise UsageError("most= and usd= belong together, and depth= to them", hint=_EXAMPLE)
    if not (leads.depth and leads.hourly):
        raise UsageError("depth= and hourly= are at least 1", hint=_EXAMPLE)
    return leads


def require_calm(sent: Iterable[datetime], now: datetime, hourly: int, other: str) -> None:
    """Refuse a message if two actors have exchanged as many in an hour as they may."""
    count = sum(now - timedelta(hours=1) < at <= now for at in sent)
    if count >= hourly:
        raise LedTooFar(
            LeadRule.STORM,
            f"{number_of(count, 'task')} within an hour between this actor and {other}",
            "end your task; a person is told",
        )


def require_short(hops: int, steps: int) -> None:
    """Refuse a task at the end of a long chain, in which agents give tasks to each other."""
    hint = "do it yourself, or end your task; a person is told"
    if hops > MOST_HOPS:
        words = f"this would be task {hops} of a chain of agents that give each other tasks"
        raise LedTooFar(LeadRule.CHAIN, words, hint)
    if steps > MOST_STEPS:
        words = f"{steps - 1} tasks and answers of agents followed from one message of a person"
        raise LedTooFar(LeadRule.CHAIN, words, hint)


def choose_budget(usd: float | None, spent: float, leads: Leads, others: int) -> float:
    """Return what an actor may cost, of which `others` more may be started after it."""
    left = leads.usd - spent
    # Sums of amounts such as 0.1 are not exact.
    if left <= _TINY:
        words = f"the {leads.usd:g} USD for other actors are given away"
        raise LedTooFar(LeadRule.BUDGET, words, "do it yourself; a person is told")
    amount = left / (others + 1) if usd is None else usd
    if not 0 < amount <= left + _TINY:
        raise Refused(
            f"{left:g} USD are left for other actors, not {amount:g}", hint="ask for less"
        )
    return amount
