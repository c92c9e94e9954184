"""Stop the running app, and start it again."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("restart")
@json_option
@click.pass_obj
def restart(invocation: Invocation, as_json: bool) -> ExitCode:
    """Stop the running app, and start it again.

    It answers its requests first, and gets the settings of its services as they are now.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import start_app

    record = start_app(control_plane_of(invocation), is_again=True)
    return show_result(record, f"{record['running']} runs at {record['url']}", as_json=as_json)


part = restart
