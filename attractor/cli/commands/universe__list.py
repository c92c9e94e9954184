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
        for tenant in tenants:
            worlds.setdefault(tenant.universe, []).extend([tenant.id] if tenant.is_world else ())
        return [
            UniverseRow(
                tenant.address,
                tenant.id,
                tenant.archived,
                len(worlds[tenant.address]),
                counts[tenant.address, RunState.QUEUED],
                counts[tenant.address, RunState.RUNNING],
                counts[tenant.address, RunState.PARKED],
                tenant.spent.cost_usd,
                tenant.spent.tokens,
            )
            for tenant in tenants
            if not tenant.is_world and (not reached or {*reached} & {*worlds[tenant.address]})
        ]

    found = in_fleet(invocation, read)
    if as_json:
        show_json([write_fields(row) for row in found])
        return ExitCode.DONE
    rows = [("universe", "worlds", "running", "queued", "parked", "spent today", "")]
    rows += [
        (
            row.name,
            *map(str, (row.worlds, row.running, row.queued, row.parked)),
            f"{format_cost(row.cost_usd)}, {format_number(row.tokens)} tokens",
            "archived" if row.archived else "",
        )
        for row in found
    ]
    show("\n".join(table(rows)))
    return ExitCode.DONE


part = universe_list
