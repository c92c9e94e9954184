"""Show the changes in a dimension."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.files import show_diff
from attractor.cli.output.streams import show_json
from attractor.cli.runs.setup import opened_of
from attractor.factory.dimensions import DimensionRecords
from attractor.worlds.dimensions import diff_dimension


@click.command()
@click.argument("name")
@click.option("--stat", is_flag=True, help="Show the numbers of changed lines only.")
@json_option
@click.pass_obj
def dimension_diff(invocation: Invocation, name: str, stat: bool, as_json: bool) -> ExitCode:
    """Show the changes in the dimension NAME, committed or not, in the format of 'git apply'.

    They are those since it left the branch that it was made from.
    """
    opened = opened_of(invocation)
    dimension = DimensionRecords.of(opened).find(name)
    diff = asyncio.run(diff_dimension(opened, dimension, stat=stat))
    if as_json:
        show_json({"dimension": dimension.name, "diff": diff.decode("utf-8", "replace")})
    elif diff:
        text = diff.decode("utf-8", "surrogateescape").removesuffix("\n")
        show_diff(text, color=invocation.color and not stat)
    return ExitCode.DONE


part = dimension_diff
