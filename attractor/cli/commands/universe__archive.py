"""Let a universe take no new runs."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.universes import require_whole_fleet


@click.command()
@click.argument("name", metavar="UNIVERSE")
@json_option
@click.pass_obj
def universe_archive(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Let a universe take no new runs.

    Its open runs continue to their end, and its files stay in the store.
    """
    require_whole_fleet(invocation)
    in_fleet(invocation, lambda fleet: fleet.table.archive(name))
    words = f"universe {name} takes no new runs; its open ones: attractor universe show {name}"
    return show_result({"name": name, "archived": True}, words, as_json=as_json)


part = universe_archive
