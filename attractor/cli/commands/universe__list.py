"""List the universes of the fleet."""

from collections import Counter
from typing import TYPE_CHECKING

import click

from attractor.base.amounts import format_cost, format_number
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.universes import reached_projects
from attractor.fleet.records import RunState

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


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


@click.command()
@json_option
@click.pass_obj
def universe_list(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the universes of the fleet, with their open runs and what they spent today (UTC).

    A token that is for some projects lists the universes of these projects only.
    """
    reached = reached_projects(invocation)

    async def read(fleet: "Fleet") -> list[UniverseRow]:
        counts = Counter[tuple[str, RunState]]()
        for count in await fleet.views.counts():
            counts[count.universe, count.state] += count.number
        worlds: dict[str, list[str]] = {}
        tenants = await fleet.table.tenants()
        for one in tenants:
            worlds.setdefault(one.universe, []).extend([one.id] if one.is_world else ())
        return [
            UniverseRow(
                one.address,
                one.id,
                one.archived,
                len(worlds[one.address]),
                counts[one.address, RunState.QUEUED],
                counts[one.address, RunState.RUNNING],
                counts[one.address, RunState.PARKED],
                one.spent.cost_usd,
                one.spent.tokens,
            )
            for one in tenants
            if not one.is_world and (not reached or {*reached} & {*worlds[one.address]})
        ]

    found = in_fleet(invocation, read)
    if as_json:
        show_json([write_fields(one) for one in found])
        return ExitCode.DONE
    rows = [("universe", "worlds", "running", "queued", "parked", "spent today", "")]
    rows += [
        (
            one.name,
            *map(str, (one.worlds, one.running, one.queued, one.parked)),
            f"{format_cost(one.cost_usd)}, {format_number(one.tokens)} tokens",
            "archived" if one.archived else "",
        )
        for one in found
    ]
    show("\n".join(table(rows)))
    return ExitCode.DONE


part = universe_list
