"""Back up the records of the running app in one file."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import backup_line, control_plane_of


@click.command("backup")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def back_up_app(invocation: Invocation, file: Path | None, as_json: bool) -> ExitCode:
    """Back up the records of the running app in one file, which only you can read.

    FILE is a new file (default: one in runs/growth/backups). The app goes on running. The backup
    is checked by opening it: an app of the same release takes it over, answers, and gives back the
    same bytes. People and their links are not in it.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import backup

    record = backup(control_plane_of(invocation), file)
    return show_result(record, f"backed up: {backup_line(record)}", as_json=as_json)


part = back_up_app
