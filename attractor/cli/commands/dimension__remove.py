"""Remove a dimension."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.actors import sender_of
from attractor.cli.runs.dimensions import force_option, require_elsewhere, show_removed
from attractor.cli.runs.setup import opened_of
from attractor.factory.dimensions import DimensionRecords
from attractor.worlds.orders import remove_with_actors


@click.command()
@click.argument("name")
@force_option
@json_option
@click.pass_obj
def dimension_remove(invocation: Invocation, name: str, force: bool, as_json: bool) -> ExitCode:
    """Remove the dimension NAME with its folder, unless its changes would be lost.

    Changes that are on another branch, also by a squash, are not lost. Only what Attractor made is
    deleted: a worktree or folder of yours stays. An actor that works there is archived; one that
    has work is refused.
    """
    opened = opened_of(invocation)
    dimension = DimensionRecords.of(opened).find(name)
    require_elsewhere(invocation, dimension.folder, opened)
    removed = remove_with_actors(dimension, sender_of(invocation), opened, force=force)
    if as_json:
        record = dimension.to_json()
        show_json({**record, "kept": removed.kept, "ignored": [*removed.ignored]})
        return ExitCode.DONE
    stays = dimension.folder and not dimension.made_by_attractor
    show(f"dimension {dimension.name} removed{', its folder stays' if stays else ''}")
    show_removed(removed)
    return ExitCode.DONE


part = dimension_remove
