"""Build the index of stored specifications again."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("reindex")
@json_option
@click.pass_obj
def reindex_specifications(invocation: Invocation, as_json: bool) -> ExitCode:
    """Build the index of stored specifications again.

    The index is a SQLite database with the tables versions, nodes and edges. Lists and versions of
    nodes are read from it; it decides nothing.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.specs import reindex

    control_plane = control_plane_of(invocation)
    record = reindex(control_plane)
    counts = ", ".join(f"{count} {table}" for table, count in record.items())
    return show_result(record, f"{control_plane.index}: {counts}", as_json=as_json)


part = reindex_specifications
