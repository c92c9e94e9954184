"""List the universes of the fleet."""

import click

from attractor.base.amounts import format_cost, format_number
from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.universes import reached_projects
from attractor.fleet.views.universe_views import list_universes


@click.command()
@json_option
@click.pass_obj
def universe_list(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the universes of the fleet, with their open runs and what they spent today (UTC).

    A token that is for some projects lists the universes of these projects only.
    """
    reached = reached_projects(invocation)

    found = in_fleet(invocation, lambda fleet: list_universes(fleet, reached))
    rows = [("universe", "worlds", "running", "queued", "parked", "spent today", "")]
    rows += [
        (
            row.name,
            *map(str, (row.worlds, row.running, row.queued, row.parked)),
            f"{format_cost(row.cost_usd, is_partial=bool(row.unpriced_tokens))}, "
            f"{format_number(row.tokens)} tokens",
            "archived" if row.archived else "",
        )
        for row in found
    ]
    return show_result([write_fields(row) for row in found], *table(rows), as_json=as_json)


part = universe_list
