"""Universes for people: their caps with where each came from, their worlds, and counts of runs."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attractor.base.amounts import format_cost, format_number
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.fleet.records import Pool, RowState
from attractor.fleet.universes import Caps, Effective, Tenant, caps_in, effective_caps, tenants_in
from attractor.fleet.views.overview import OPEN

if TYPE_CHECKING:
    # It loads the database, and most processes that show universes need no fleet.
    from attractor.fleet.fleet import Fleet


NONE = "none"
"""The word for a cap that is removed, or that allows nothing."""


@dataclass(frozen=True)
class UniverseRow:
    """A universe: its worlds, its open runs, and what it spent today."""

    name: str
    id: str
    archived: bool
    worlds: int
    queued: int
    running: int
    parked: int
    cost_usd: float
    tokens: int
    unpriced_tokens: int


async def list_universes(
    fleet: "Fleet", projects: Collection[str] = (), *, after: str = "", limit: int = 0
) -> Sequence[UniverseRow]:
    """Return universes by name, those after one (default: all).

    With `projects`, those of these projects, which are the only worlds that count.
    """
    counts = Counter[tuple[str, RowState]]()
    for count in await fleet.table.counts(OPEN):
        counts[count.universe, count.state] += count.number
    return [
        UniverseRow(
            universe.address,
            universe.id,
            universe.archived,
            worlds,
            counts[universe.address, RowState.QUEUED],
            counts[universe.address, RowState.RUNNING],
            counts[universe.address, RowState.PARKED],
            universe.spent.cost_usd,
            universe.spent.tokens,
            universe.spent.unpriced_tokens,
        )
        for universe, worlds in await fleet.table.universes(projects, after, limit)
    ]


@dataclass(frozen=True)
class UniverseView:
    """A universe, its worlds, and its shares of limited pools."""

    universe: Tenant
    worlds: Sequence[Tenant]
    shares: Mapping[str, Effective]

    def caps_of(self, tenant: Tenant) -> Mapping[str, Effective]:
        """Return the caps in force for the universe or for one of its worlds."""
        return caps_in(tenants_in([self.universe, tenant], tenant.universe, tenant.id))

    def to_record(self) -> dict[str, Json]:
        """Return the universe as JSON."""
        return {
            **self._record(self.universe),
            "shares": _record(self.shares),
            "worlds": [self._record(world) for world in self.worlds],
        }

    def _record(self, tenant: Tenant) -> dict[str, Json]:
        return {**write_fields(tenant, held=""), "effective": _record(self.caps_of(tenant))}


def cap_in_words(name: str, value: Any) -> str:
    """Return the value of a cap for people."""
    if name in ("backends", "models"):
        return ", ".join(value) or NONE
    if name == "share":
        return f"{value:.0%}"
    return format_cost(value) if "cost" in name else format_number(value)


async def find_universe(fleet: "Fleet", name: str) -> Sequence[Tenant]:
    """Return the tenant of the universe with a name, and those of its worlds."""
    found = await fleet.table.tenants(name)
    if not found:
        tenants = await fleet.table.tenants()
        raise UnknownName("universe", name, {tenant.universe for tenant in tenants})
    return sorted(found, key=lambda tenant: tenant.is_world)


async def view_universe(fleet: "Fleet", name: str, projects: Collection[str] = ()) -> UniverseView:
    """Return a universe with its worlds; only those of some projects (default: all)."""
    universe, *worlds = await find_universe(fleet, name)
    return UniverseView(
        universe,
        [world for world in worlds if not projects or world.id in projects],
        {pool.name: _share(pool, universe) for pool in await fleet.table.pools()},
    )


def _share(pool: Pool, universe: Tenant) -> Effective:
    own = Caps(share=universe.caps.share)
    return effective_caps([(f"pool {pool.name}", Caps(share=pool.share)), (str(universe), own)])[
        "share"
    ]


def _record(caps: Mapping[str, Effective]) -> dict[str, Json]:
    return {name: write_fields(cap) for name, cap in caps.items()}
