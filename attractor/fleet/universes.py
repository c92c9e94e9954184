"""Universes: names in front of worlds (projects), with caps that a world can only narrow."""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import UsageError
from attractor.fleet.errors import CapRefused
from attractor.fleet.records import NOTHING_SPENT, Reason, ReasonKind, Spent

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Caps:
    """The limits of a universe or of a world; None is no limit. Days are those of UTC.

    `share` is that of the concurrency of each pool.
    """

    max_working_actors: int | None = None
    max_cost_usd_per_day: float | None = None
    max_tokens_per_day: int | None = None
    backends: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        for name in _AMOUNTS:
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise UsageError(f"invalid {name}: {value}", hint="write 0 or more")
        if self.share is not None and not 0 < self.share <= 1:
            raise UsageError(f"invalid share: {self.share}", hint="more than 0 and at most 1")


_AMOUNTS = ("max_working_actors", "max_cost_usd_per_day", "max_tokens_per_day")
NO_CAPS = Caps()


@dataclass(frozen=True)
class Effective:
    """A cap that is in force, and where it came from."""

    value: Any
    source: str


def effective_caps(levels: Iterable[tuple[str, Caps]]) -> Mapping[str, Effective]:
    """Return the caps in force, by name; each level, from the outermost one, can only narrow."""
    found: dict[str, Effective] = {}
    for source, caps in levels:
        for name, own in vars(caps).items():
            before = found.get(name)
            value = own if before is None else _narrower(before.value, own)
            if value is not None and (before is None or value != before.value):
                both = f"{before.source} and {source}" if before else source
                found[name] = Effective(value, source if value == own else both)
    return found


def _narrower(outer: Any, inner: Any) -> Any:
    match inner:
        case None:
            return outer
        case [*names]:
            return tuple(name for name in names if name in outer)
        case _:
            return min(outer, inner)


def require_name(name: str) -> None:
    """Refuse a name that no universe can have."""
    if not _NAME.fullmatch(name):
        hint = "use lower case letters, digits and -"
        raise UsageError(f"invalid name {name!r} of a universe", hint=hint)


def free_address(universe: str, name: str, taken: Collection[str]) -> str:
    """Return an address that no other world has, with a name like that of a folder."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50] or "world"
    numbered = (f"{universe}/{stem}{f'-{number}' * (number > 1)}" for number in count(1))
    return next(one for one in numbered if one not in taken)


def require_allowed(caps: Mapping[str, Effective], used: Mapping[str, Collection[str]]) -> None:
    """Refuse a run that uses backends or models that its caps do not list."""
    for kind, names in used.items():
        cap = caps.get(kind)
        others = sorted(one or "the default" for one in names if cap and one not in cap.value)
        if cap and others:
            raise CapRefused(
                f"{cap.source} does not allow these {kind}: {', '.join(others)}",
                hint=f"allowed: {', '.join(cap.value) or 'none'}",
            )


def day_of(now: float) -> int:
    """Return the number of the day of a time, in UTC."""
    return int(now // 86_400)


@dataclass(frozen=True)
class Share:
    """What runs take while they execute: actors, and what they may still spend."""

    universe: str = ""
    project: str = ""
    actors: int = 0
    cost_usd: float = 0.0
    tokens: float = 0


def need_of(row: Mapping[str, Any]) -> Share:
    """Return what the run of a row takes; one without a budget of its own takes all."""
    cost, tokens = (
        math.inf if row[f"max_{name}"] is None else max(0, row[f"max_{name}"] - row.get(name, 0))
        for name in ("cost_usd", "tokens")
    )
    return Share(row["universe"], row["project"], int(row["actor"] != ""), cost, tokens)


@dataclass(frozen=True)
class Tenant:
    """A universe or one of its worlds: its caps, its day, and what its executed runs take.

    The address of a world is `universe/world`. The id never changes; a world has that of its
    project. An archived universe takes no new runs.
    """

    address: str
    id: str
    caps: Caps = NO_CAPS
    archived: bool = False
    spent: Spent = NOTHING_SPENT
    held: Share = Share()

    def __str__(self) -> str:
        return f"{'world' if self.is_world else 'universe'} {self.address}"

    @property
    def universe(self) -> str:
        """The name of the universe."""
        return self.address.partition("/")[0]

    @property
    def is_world(self) -> bool:
        """Whether this is a world of a universe."""
        return "/" in self.address

    def is_of(self, need: Share) -> bool:
        """Return whether a run counts here: those of all its worlds count in a universe."""
        return self.universe == need.universe and (not self.is_world or self.id == need.project)

    def with_run(self, need: Share) -> "Tenant":
        """Return the tenant after a run began, if it counts here."""
        if not self.is_of(need):
            return self
        values = {name: getattr(self.held, name) + getattr(need, name) for _, _, name in _COUNTED}
        return changed(self, held=Share(**values))

    def why_full(self, need: Share) -> Reason | None:
        """Return why a run that counts here has no room now, or None."""
        for cap, kind, amount in _COUNTED:
            limit, wanted = getattr(self.caps, cap), getattr(need, amount)
            if limit is None or not wanted:
                continue
            wanted = max(limit, 1) if wanted == math.inf else wanted
            spent = getattr(self.spent, amount, 0)
            held = min(limit, getattr(self.held, amount))
            if spent + held + wanted > limit + _ROUNDING:
                figures = {"spent": spent, "held": held, "needs": wanted}
                return Reason(
                    kind, {"address": self.address, "cap": cap, "limit": limit, **figures}
                )
        return None

    def require_admitted(self, need: Share, *, is_new: bool = True) -> None:
        """Refuse a run that counts here, if no day has room for it."""
        if self.archived and is_new:
            raise CapRefused(f"{self} is archived: it takes no new runs")
        for cap, _, amount in _COUNTED[1:]:
            limit, wanted = getattr(self.caps, cap), getattr(need, amount)
            if limit is not None and wanted > limit:
                option = cap.removesuffix("_per_day").replace("_", "-")
                own = "has no budget" if wanted == math.inf else f"may use {wanted:g}"
                raise CapRefused(
                    f"the cap {cap} of {self} is {limit:g}, and the run {own}",
                    hint=f"give the run a smaller budget: --{option} {limit:g}",
                )


_COUNTED = (
    ("max_working_actors", ReasonKind.LIMIT, "actors"),
    ("max_cost_usd_per_day", ReasonKind.BUDGET, "cost_usd"),
    ("max_tokens_per_day", ReasonKind.BUDGET, "tokens"),
)


def tenants_in(tenants: Iterable[Tenant], universe: str, project: str) -> Sequence[Tenant]:
    """Return the tenants in which a run of a project counts: its universe, and its world."""
    found = (tenant for tenant in tenants if tenant.is_of(Share(universe, project)))
    return sorted(found, key=lambda tenant: tenant.is_world)


def by_universe(tenants: Iterable[Tenant]) -> dict[str, Sequence[Tenant]]:
    """Return tenants by their universe: of thousands, few count for a run."""
    found: dict[str, list[Tenant]] = {}
    for tenant in tenants:
        found.setdefault(tenant.universe, []).append(tenant)
    return {**found}


def caps_in(tenants: Iterable[Tenant]) -> Mapping[str, Effective]:
    """Return the caps in force of tenants, a universe first."""
    return effective_caps((str(tenant), tenant.caps) for tenant in tenants)
