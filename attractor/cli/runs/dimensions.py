"""The removal of dimensions, for commands."""

import shlex
from pathlib import Path

import click

from attractor.base.errors import Refused
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show
from attractor.factory.open_project import OpenProject
from attractor.language.source.text import visible
from attractor.worlds.dimensions import KEPT_DAYS, RemovedDimension

force_option = click.option(
    "--force",
    is_flag=True,
    help=f"Remove changes too, after a snapshot that is kept for {KEPT_DAYS} days.",
)


def require_elsewhere(invocation: Invocation, folder: str, opened: OpenProject) -> None:
    """Refuse to remove the folder in which the command is typed."""
    if (
        folder
        and folder != str(opened.project.root)
        and (invocation.folder.resolve().is_relative_to(Path(folder)))
    ):
        raise Refused(
            f"this is a folder of what is removed: {folder}",
            hint=f"type it elsewhere: cd {shlex.quote(str(opened.project.root.parent))}",
        )


def show_removed(removed: RemovedDimension) -> None:
    """Print what was kept of a dimension, and what is gone."""
    if removed.kept:
        show(f"  kept for {KEPT_DAYS} days: {removed.kept}")
    for path in removed.ignored:
        show(f"  gone, because it was ignored: {visible(path)}")
