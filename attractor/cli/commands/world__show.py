"""Show a project with its dimensions and actors."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.actors import actor_table, read_unarchived
from attractor.cli.runs.references import find_project
from attractor.factory.dimensions import DimensionRecords
from attractor.language.source.text import visible
from attractor.worlds.actors import list_actors
from attractor.worlds.records import world_record


@click.command()
@click.argument("name", metavar="[PROJECT]", default="")
@json_option
@click.pass_obj
def world_show(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Show a project with its dimensions and actors.

    PROJECT is the name or path of its folder (default: this project).
    """
    settings = invocation.configuration.settings
    project = find_project(invocation, name)
    dimensions = DimensionRecords.in_state(settings.state_dir, project.project_id).all()
    folders = [
        one
        for one in list_actors(settings.state_dir)
        if one.project.project_id == project.project_id
    ]
    views = read_unarchived(folders)
    if as_json:
        show_json(world_record(project, dimensions, views))
        return ExitCode.DONE
    show(f"project {visible(project.root.name)}: {visible(str(project.root))}")
    for one in dimensions:
        gone = " (missing)" if one.folder and not Path(one.folder).is_dir() else ""
        show(f"dimension {one.name} ({one.kind}){gone}: {visible(one.folder) or 'no folder'}")
    show("\n".join(actor_table(views, {})) if views else "It has no actors.")
    return ExitCode.DONE


part = world_show
