"""Remove a dimension."""

import shlex

import click

from attractor.base.errors import ExitCode, Refused
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.actors import sender_of
from attractor.cli.runs.setup import opened_of
from attractor.factory.dimensions import DimensionRecords
from attractor.language.source.text import visible
from attractor.worlds.dimensions import KEPT_DAYS
from attractor.worlds.orders import remove_with_actors


@click.command()
@click.argument("name")
@click.option(
    "--force",
    is_flag=True,
    help=f"Remove changes too, after a snapshot that is kept for {KEPT_DAYS} days.",
)
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
    if dimension.folder and invocation.folder.resolve().is_relative_to(dimension.folder):
        raise Refused(
            f"this is a folder of the dimension {dimension.name}",
            hint=f"type it elsewhere: cd {shlex.quote(str(opened.project.root.parent))}",
        )
    removed = remove_with_actors(dimension, sender_of(invocation), opened, force=force)
    if as_json:
        record = dimension.to_json()
        show_json({**record, "kept": removed.kept, "ignored": [*removed.ignored]})
        return ExitCode.DONE
    stays = dimension.folder and not dimension.made_by_attractor
    show(f"dimension {dimension.name} removed{', its folder stays' if stays else ''}")
    if removed.kept:
        show(f"  kept for {KEPT_DAYS} days: {removed.kept}")
    for path in removed.ignored:
        show(f"  gone, because it was ignored: {visible(path)}")
    return ExitCode.DONE


part = dimension_remove
