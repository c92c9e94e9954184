"""Draft the service twin of an adapter that a specification declares."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("draft")
@click.argument("source", metavar="SOURCE")
@click.option("--plan", default="", metavar="PLAN", help="Read the specification of this plan.")
@json_option
@click.pass_obj
def twin_draft(invocation: Invocation, source: str, plan: str, as_json: bool) -> ExitCode:
    """Draft the service twin of an adapter that the specification declares.

    SOURCE is a source with operations. The draft, scenarios/_twins/SOURCE/twin.toml, answers each
    operation with made-up values: write what the service really answers. An existing file is not
    changed.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.twins import draft_twin

    record = draft_twin(control_plane_of(invocation), source, plan)
    lines = [
        f"wrote {record['file']}: its answers are made up",
        f"add to the suite.toml of the app, and register the suite:\n\n{record['suite']}",
    ]
    return show_result(record, *lines, as_json=as_json)


part = twin_draft
