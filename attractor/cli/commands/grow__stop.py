"""Stop the running app until it is started or deployed again."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("stop")
@json_option
@click.pass_obj
def stop(invocation: Invocation, as_json: bool) -> ExitCode:
    """Stop the running app until it is started or deployed again.

    It answers its requests first.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import stop_app

    record = stop_app(control_plane_of(invocation))
    words = f"{record['stopped']} is stopped\nto start it: attractor grow start"
    return show_result(record, words, as_json=as_json)


part = stop
