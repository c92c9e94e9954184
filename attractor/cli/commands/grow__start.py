"""Start the app that was deployed last."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("start")
@json_option
@click.pass_obj
def start(invocation: Invocation, as_json: bool) -> ExitCode:
    """Start the app that was deployed last, unless it runs.

    Its files and packages are compared with the ledger first.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import start_app

    record = start_app(control_plane_of(invocation))
    return show_result(record, f"{record['running']} runs at {record['url']}", as_json=as_json)


part = start
