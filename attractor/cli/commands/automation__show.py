"""Show an automation: its triggers, its limits, and its last starts."""

import click

from attractor.automations.records import automation_record, trigger_words
from attractor.automations.store import faults_of, find_automation, verified
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import opened_of
from attractor.language.source.text import visible


@click.command()
@click.argument("name")
@json_option
@click.pass_obj
def automation_show(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Show an automation: its triggers, its limits, and its last starts.

    The exit status is 6 if its record was edited after it was created.
    """
    opened = opened_of(invocation)
    folder = find_automation(name, opened)
    automation, starts, now = verified(folder, opened), folder.starts.read(), opened.now()
    record = automation_record(automation, starts, now)
    state = " (paused)" if starts.is_paused else ""
    inputs = ", ".join(f"{key}={text}" for key, text in automation.inputs.items()) or "none"
    judges = ", ".join(filter(None, [automation.suite, automation.profile])) or "none"
    lines = [
        f"automation {automation.name}{state}: {automation.pipeline}",
        f"starts: {trigger_words(automation)}",
        f"next: {record['next'] or 'not by a schedule'}",
        f"inputs: {inputs}",
        f"budget of a run: {str(automation.budgets) or 'none'}",
        f"suite and profile: {judges}",
        f"created by {automation.rights.by} at {automation.created.astimezone():%Y-%m-%d %H:%M}",
        *(f"trouble: {fault.reason}" for fault in faults_of(name, starts, now)),
    ]
    for start in starts.last:
        claim, fault = start.claim, start.fault
        words = f"{claim.kind} {claim.occurrence}: {start.state}, run {claim.run_id}"
        lines.append(f"  {words}{f' ({fault})' if fault else ''}")
    lines += [
        f"  issue {skipped.occurrence}: skipped, {skipped.reason}" for skipped in starts.skipped
    ]
    return show_result(record, *map(visible, lines), as_json=as_json)


part = automation_show
