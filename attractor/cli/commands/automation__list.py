"""List the automations of the project."""

import click

from attractor.automations.records import automation_record, trigger_words
from attractor.automations.store import list_automations
from attractor.base.errors import AttractorError, ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.setup import opened_of
from attractor.language.source.text import visible


@click.command()
@json_option
@click.pass_obj
def automation_list(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the automations of the project, with their triggers and their next starts.

    If an automation cannot be read, the exit status is 3.
    """
    opened = opened_of(invocation)
    state, now = opened.project.machine.state_dir, opened.now()
    rows = [("name", "pipeline", "starts", "next", "last")]
    records: list[dict[str, Json]] = []
    code = ExitCode.DONE
    for folder in list_automations(state, opened.identity.project_id()):
        try:
            automation, starts = folder.read(), folder.starts.read()
        except AttractorError as fault:
            show(visible(fault.in_one_line), err=True)
            code = ExitCode.UNFINISHED
            continue
        record = automation_record(automation, starts, now)
        records.append(record)
        last = starts.last[-1] if starts.last else None
        words = f"{last.state} {last.claim.at.astimezone():%Y-%m-%d %H:%M}" if last else "never"
        next_ = "paused" if starts.is_paused else str(record["next"] or "-")
        rows.append((automation.name, automation.pipeline, trigger_words(automation), next_, words))
    if as_json:
        show_json(records)
    elif len(rows) > 1:
        show("\n".join(map(visible, table(rows))))
    elif code is ExitCode.DONE:
        show("There are no automations. Create one: attractor automation create NAME PIPELINE.dot")
    return code


part = automation_list
