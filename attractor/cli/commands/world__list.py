"""List the projects of the state folder, with their dimensions and actors."""

from collections import Counter

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.actors import read_unarchived
from attractor.engine.outcome import NOTHING_USED, format_usage_cost
from attractor.factory.dimensions import DimensionRecords
from attractor.factory.project import list_project_folders
from attractor.language.source.text import visible
from attractor.worlds.actors import list_actors
from attractor.worlds.records import world_record


@click.command()
@json_option
@click.pass_obj
def world_list(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the projects of the state folder, each with its dimensions and actors.

    Archived actors are left out.
    """
    state = invocation.configuration.settings.state_dir
    views = read_unarchived(list_actors(state))
    rows = [("project", "dimensions", "actors", "cost", "folder")]
    records: list[dict[str, Json]] = []
    for project in list_project_folders(state):
        own = [one for one in views if one.folder.project.project_id == project.project_id]
        dimensions = DimensionRecords.in_state(state, project.project_id).all()
        counts = Counter(view.status.value for view in own)
        statuses = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        rows.append(
            (
                visible(project.root.name),
                number_of(len(dimensions), "dimension"),
                statuses or "none",
                format_usage_cost(sum((view.usage for view in own), NOTHING_USED)),
                visible(str(project.root)),
            )
        )
        records.append(world_record(project, dimensions, own))
    words = "\n".join(table(rows)) if len(rows) > 1 else "There are no projects yet."
    return show_result(records, words, as_json=as_json)


part = world_list
