"""Remove an automation, and the tokens that start it."""

import click

from attractor.automations.store import find_automation, remove_automation
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.factory.operator_process import Scope


@click.command()
@click.argument("name")
@json_option
@click.pass_obj
def automation_remove(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Remove an automation, and the tokens that start it.

    Its runs stay, and those that began go on. A new automation of the name starts anew: it knows no
    ticket and no issue.
    """
    by = operator_name(invocation, Scope.OPERATE)
    opened = opened_of(invocation)
    folder = find_automation(name, opened)
    remove_automation(folder, opened, by=by)
    words = f"removed the automation {folder.name}"
    return show_result({"name": folder.name, "is_removed": True}, words, as_json=as_json)


part = automation_remove
