"""Make a universe of the fleet: a name in front of worlds, with caps of its own."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.universes import cap_options, read_caps, require_whole_fleet
from attractor.fleet.universes import NO_CAPS


@click.command()
@click.argument("name")
@cap_options
@json_option
@click.pass_obj
def universe_create(
    invocation: Invocation, name: str, as_json: bool, **given: str | None
) -> ExitCode:
    """Make a universe of the fleet: a name in front of worlds, with caps of its own.

    NAME has lower case letters, digits and '-'. A project becomes a world of it with 'attractor run
    --on POOL --universe NAME', or with 'attractor universe caps NAME --world PROJECT'.
    """
    require_whole_fleet(invocation)
    caps = read_caps(given, NO_CAPS)
    in_fleet(invocation, lambda fleet: fleet.table.add_universe(name, caps))
    words = f"universe {name} is there: attractor run PIPELINE.dot --on POOL --universe {name}"
    return show_result({"name": name}, words, as_json=as_json)


part = universe_create
