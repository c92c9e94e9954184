"""Print the identity of an app and its hash."""

from typing import Any, cast

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("identity")
@click.argument("spec", metavar="[ID]", default="HEAD")
@json_option
@click.pass_obj
def show_identity(invocation: Invocation, spec: str, as_json: bool) -> ExitCode:
    """Print the hash of the identity of an app, which no plan changes.

    A check `identity` of the suite has it as its `hash`. ID is the id of a specification
    (default: the one in the repository). With --json, also print the fields of the identity.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.specs import identity

    record = cast("dict[str, Any]", identity(control_plane_of(invocation), spec))
    return show_result(record, str(record["hash"]), as_json=as_json)


part = show_identity
