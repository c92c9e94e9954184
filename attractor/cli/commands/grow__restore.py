"""Replace the records of the running app by those of a backup."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import backup_line, control_plane_of


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def restore_app(invocation: Invocation, file: Path, as_json: bool) -> ExitCode:
    """Replace the records of the running app by those of a backup, and start the app again.

    FILE was written by 'attractor grow backup', at a stage with the same specification; otherwise
    exit with 4: roll back first. The backup is opened before the app rests, and the records that
    it replaces are backed up. A killed command leaves either all old records or all restored ones.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import restore

    record = restore(control_plane_of(invocation), file)
    words = (
        f"restored: {backup_line(record)}\nrunning at {record['url']}\n"
        f"the records before: attractor grow restore {record['replaced']}"
    )
    return show_result(record, words, as_json=as_json)


part = restore_app
