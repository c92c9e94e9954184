"""Pause an automation, or let it start runs again."""

import click

from attractor.automations.store import find_automation, verified
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.factory.operator_process import Scope


@click.command()
@click.argument("name")
@click.option("--off", is_flag=True, help="Let it start runs again.")
@json_option
@click.pass_obj
def automation_pause(invocation: Invocation, name: str, off: bool, as_json: bool) -> ExitCode:
    """Pause an automation, or let it start runs again.

    Runs that began go on. Times of its schedule and promotions that come during the pause are not
    caught up; tickets and labelled issues are.
    """
    by = operator_name(invocation, Scope.OPERATE)
    opened = opened_of(invocation)
    folder = find_automation(name, opened)
    if off:
        verified(folder, opened)
    is_change = folder.starts.switch(is_paused=not off, by=by, now=opened.now())
    words = "starts runs again" if off else "is paused"
    record = {"name": folder.name, "is_paused": not off, "is_change": is_change}
    text = f"the automation {folder.name} {words}{'' if is_change else ', as before'}"
    return show_result(record, text, as_json=as_json)


part = automation_pause
