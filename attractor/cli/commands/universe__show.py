"""Show a universe: its caps and where each came from, its worlds, its runs and its space."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from attractor.base.amounts import format_cost, format_number, format_size, number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.universes import (
    cap_in_words,
    find_universe,
    reached_projects,
    require_reach,
)
from attractor.fleet.overview import ExplainedRun, explain
from attractor.fleet.records import Pool, RunState
from attractor.fleet.universes import Caps, Effective, Tenant, caps_in, effective_caps, tenants_in

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet

_OPEN = (RunState.RUNNING, RunState.QUEUED, RunState.PARKED)


@dataclass(frozen=True)
class UniverseView:
    """A universe and its worlds, its shares of limited pools, its open runs, and its space."""

    universe: Tenant
    worlds: Sequence[Tenant]
    shares: Mapping[str, Effective]
    runs: Sequence[ExplainedRun]
    blobs: int
    bytes: int

    def caps_of(self, tenant: Tenant) -> Mapping[str, Effective]:
        """Return the caps in force for the universe or for one of its worlds."""
        return caps_in(tenants_in([self.universe, tenant], tenant.universe, tenant.id))

    def to_record(self) -> dict[str, Json]:
        """Return the universe as JSON."""
        return {
            **self._record(self.universe),
            "shares": _record(self.shares),
            "worlds": [self._record(world) for world in self.worlds],
            "runs": [run.to_record() for run in self.runs],
            "blobs": self.blobs,
            "bytes": self.bytes,
        }

    def _record(self, tenant: Tenant) -> dict[str, Json]:
        return {**write_fields(tenant, held=""), "effective": _record(self.caps_of(tenant))}


@click.command()
@click.argument("name", metavar="UNIVERSE")
@json_option
@click.pass_obj
def universe_show(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Show a universe: its caps and where each came from, its worlds, its runs and its space.

    Days are those of UTC.
    """
    view = in_fleet(invocation, lambda fleet: _read(invocation, fleet, name))
    if as_json:
        show_json(view.to_record())
    else:
        show("\n".join(_lines(view)))
    return ExitCode.DONE


async def _read(invocation: Invocation, fleet: "Fleet", name: str) -> UniverseView:
    universe, *worlds = await find_universe(fleet, name)
    require_reach(invocation, [world.id for world in worlds], str(universe))
    reached = reached_projects(invocation)
    runs = await fleet.table.runs(states=_OPEN, universe=name)
    runs = [run for run in runs if not reached or run.project in reached]
    blobs = await fleet.blobs_of(name)
    return UniverseView(
        universe,
        worlds,
        {pool.name: _share(pool, universe) for pool in await fleet.table.pools()},
        await explain(fleet, runs),
        len([digest async for digest, _ in blobs.digests()]),
        await blobs.size(),
    )


def _share(pool: Pool, universe: Tenant) -> Effective:
    own = Caps(share=universe.caps.share)
    return effective_caps([(f"pool {pool.name}", Caps(share=pool.share)), (str(universe), own)])[
        "share"
    ]


def _record(caps: Mapping[str, Effective]) -> dict[str, Json]:
    return {name: write_fields(cap) for name, cap in caps.items()}


def _lines(view: UniverseView) -> list[str]:
    universe, spent = view.universe, view.universe.spent
    archived = ", archived: it takes no new runs" if universe.archived else ""
    lines = [
        f"{universe}: id {universe.id}{archived}",
        f"spent today: {format_cost(spent.cost_usd)}, {format_number(spent.tokens)} tokens",
        f"space: {format_size(view.bytes)} in {number_of(view.blobs, 'blob')}",
        *_caps_in_lines(view.caps_of(universe)),
    ]
    for pool, share in view.shares.items():
        lines.append(f"share of pool {pool}: {share.value:.0%} ({share.source})")
    for world in view.worlds:
        lines.append(f"{world}: spent today {format_cost(world.spent.cost_usd)}")
        lines += [f"  {line}" for line in _caps_in_lines(view.caps_of(world))]
    if not view.runs:
        return [*lines, "No runs wait or run."]
    rows: list[tuple[Any, ...]] = [("run", "pool", "state", "since", "why")]
    for shown in view.runs:
        run = shown.run
        rows.append((run.run_id, run.pool, run.state, shown.age, shown.words))
    return [*lines, "", *table(rows)]


def _caps_in_lines(caps: Mapping[str, Effective]) -> list[str]:
    found = [f"{key}: {cap_in_words(key, cap.value)} ({cap.source})" for key, cap in caps.items()]
    return found or ["no caps"]


part = universe_show
