"""Show a universe: its caps and where each came from, its worlds, its runs and its space."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from attractor.base.amounts import format_cost, format_number, format_size, number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.universes import reached_projects, require_reach
from attractor.fleet.records import Spent
from attractor.fleet.universes import Effective
from attractor.fleet.views.overview import OPEN, ExplainedRun, explain
from attractor.fleet.views.universe_views import UniverseView, cap_in_words, view_universe

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


@dataclass(frozen=True)
class _Shown:
    """A universe with its open runs and its space."""

    view: UniverseView
    runs: Sequence[ExplainedRun]
    blobs: int
    bytes: int

    def to_record(self) -> dict[str, Json]:
        """Return the universe as JSON."""
        return {
            **self.view.to_record(),
            "runs": [run.to_record() for run in self.runs],
            "blobs": self.blobs,
            "bytes": self.bytes,
        }


@click.command()
@click.argument("name", metavar="UNIVERSE")
@json_option
@click.pass_obj
def universe_show(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Show a universe: its caps and where each came from, its worlds, its runs and its space.

    Days are those of UTC.
    """
    shown = in_fleet(invocation, lambda fleet: _read(invocation, fleet, name))
    return show_result(shown.to_record(), *_lines(shown), as_json=as_json)


async def _read(invocation: Invocation, fleet: "Fleet", name: str) -> _Shown:
    reached = reached_projects(invocation)
    view = await view_universe(fleet, name, reached)
    require_reach(invocation, [world.id for world in view.worlds], str(view.universe))
    runs = await fleet.table.runs(states=OPEN, universe=name)
    runs = [run for run in runs if not reached or run.project in reached]
    blobs = await fleet.blobs_of(name)
    number = len([digest async for digest, _ in blobs.digests()])
    return _Shown(view, await explain(fleet, runs), number, await blobs.size())


def _lines(shown: _Shown) -> list[str]:
    view = shown.view
    universe, spent = view.universe, view.universe.spent
    archived = ", archived: it takes no new runs" if universe.archived else ""
    lines = [
        f"{universe}: id {universe.id}{archived}",
        f"spent today: {_cost(spent)}, {format_number(spent.tokens)} tokens",
        f"space: {format_size(shown.bytes)} in {number_of(shown.blobs, 'blob')}",
        *_caps_in_lines(view.caps_of(universe)),
    ]
    for pool, share in view.shares.items():
        lines.append(f"share of pool {pool}: {share.value:.0%} ({share.source})")
    for world in view.worlds:
        lines.append(f"{world}: spent today {_cost(world.spent)}")
        lines += [f"  {line}" for line in _caps_in_lines(view.caps_of(world))]
    if not shown.runs:
        return [*lines, "No runs wait or run."]
    rows: list[tuple[Any, ...]] = [("run", "pool", "state", "since", "why")]
    for one in shown.runs:
        run = one.run
        rows.append((run.run_id, run.pool, run.state, one.age, one.words))
    return [*lines, "", *table(rows)]


def _cost(spent: Spent) -> str:
    return format_cost(spent.cost_usd, is_partial=bool(spent.unpriced_tokens))


def _caps_in_lines(caps: Mapping[str, Effective]) -> list[str]:
    found = [f"{key}: {cap_in_words(key, cap.value)} ({cap.source})" for key, cap in caps.items()]
    return found or ["no caps"]


part = universe_show
