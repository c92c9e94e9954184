"""Print the address of the running app, and open it in a browser."""

import webbrowser

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.growth import control_plane_of

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


@click.command("open")
@json_option
@click.pass_obj
def open_app(invocation: Invocation, as_json: bool) -> ExitCode:
    """Print the address of the running app, and open it in a browser if there is a display.

    With --json, only print the address.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import find_app

    record = find_app(control_plane_of(invocation))
    if as_json:
        show_json(record)
        return ExitCode.DONE
    show(str(record["url"]))
    if any(invocation.environ.get(one) for one in _DISPLAYS):
        webbrowser.open(str(record["url"]))
    return ExitCode.DONE


part = open_app
