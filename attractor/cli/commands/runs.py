"""List the runs of the project, newest first."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.amounts import cost_of
from attractor.cli.output.streams import show, show_json
from attractor.engine.outcome import NOTHING_USED
from attractor.language.source.text import visible
from attractor.pipeline.runs.lookup import RunSummary, list_runs


@click.command()
@json_option
@click.pass_obj
def runs(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the runs of the project, newest first."""
    found = list_runs(invocation.configuration.settings.runs_dir)
    if as_json:
        show_json([one.to_record() for one in found])
    elif found:
        show("\n".join(_line(one) for one in found))
    else:
        show("There are no runs yet. Start one: attractor run FILE")
    return ExitCode.DONE


def _line(one: RunSummary) -> str:
    started = one.started.astimezone().strftime("%Y-%m-%d %H:%M")
    status = f"{one.status} ({one.phase})" if one.phase else one.status
    if one.is_answered:
        status = f"{one.status}, answered"
    if one.is_stopped:
        status = f"{one.status}, stopped"
    used = f"  {cost_of(one.usage)}" if one.usage != NOTHING_USED else ""
    line = f"{one.run_id}  {started}  {status:<24} {one.outcome:<16} {one.pipeline}{used}"
    return visible(line) + (f"\n  {visible(f'trouble: {one.trouble}')}" if one.trouble else "")


part = runs
