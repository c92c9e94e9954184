"""Answer drafted desires of the running app, and keep feedback on it for its next plan."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.growth import control_plane_of
from attractor.cli.runs.orders import operator_name
from attractor.cli.shell_completion import complete_runs
from attractor.language.source.text import visible


@click.command("feedback")
@click.option("--list", "lists", is_flag=True, help="List the drafted desires, the oldest first.")
@click.option("--accept", default="", metavar="ID", help="Make a desire of this draft, in a file.")
@click.option("--dismiss", default="", metavar="ID", help="Dismiss this draft.")
@reason_option("Say why the draft is dismissed.")
@click.option(
    "--telemetry",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the counts per node of this file, such as the app's telemetry.json.",
)
@click.option(
    "--run",
    default="",
    metavar="RUN",
    shell_complete=complete_runs,
    help="Take the verdict on this run: rule ids, tags and counts.",
)
@json_option
@click.pass_obj
def feedback(
    invocation: Invocation,
    *,
    lists: bool,
    accept: str,
    dismiss: str,
    reason: str,
    telemetry: Path | None,
    run: str,
    as_json: bool,
) -> ExitCode:
    """Answer drafted desires of the running app, or keep feedback for its next plan.

    A desire is drafted for each text that a person wrote on the app's page "Tell us", for nodes
    with errors or slow answers, and for panels that were not opened for 30 days. A draft changes
    nothing. --accept writes it to a file, which 'attractor grow plan --desires' reads. The same
    answer again changes nothing.

    --telemetry and --run keep ids and numbers, without words of users, for the next plan that a
    model makes.
    """
    given = [bool(one) for one in (lists, accept, dismiss, telemetry or run)]
    if sum(given) != 1 or (reason and not dismiss):
        raise UsageError(
            "no feedback is given" if not any(given) else "options that exclude each other",
            hint="pass --list, --accept ID, --dismiss ID with --reason, or --telemetry and --run",
        )
    # Imported here, because only commands of growth need it.
    from attractor.growth.api import drafts
    from attractor.growth.api.plans import feedback as keep_feedback

    plane = control_plane_of(invocation)
    if lists:
        record = drafts.list_drafts(plane)
        lines = _lines(cast("Any", record["drafts"]))
    elif accept:
        record = drafts.accept_draft(plane, accept, by=operator_name(invocation))
        lines = iter([f"accepted: {record['desire']}", f"next: {record['next']}"])
    elif dismiss:
        name = operator_name(invocation)
        record = drafts.dismiss_draft(plane, dismiss, by=name, reason=reason)
        lines = iter([f"dismissed {dismiss}"])
    else:
        record = keep_feedback(plane, telemetry=telemetry, run=run)
        nodes = number_of(len(cast("Any", record["telemetry"])), "node")
        verdict = ", and the verdict on a run" if record["gate"] else ""
        lines = iter([f"kept for the next plan: counts of {nodes}{verdict}"])
    show_json(record) if as_json else show("\n".join(lines))
    return ExitCode.DONE


def _lines(drafts: list[Mapping[str, Any]]) -> Iterator[str]:
    if not drafts:
        yield "no drafts"
    for draft in drafts:
        yield f"{draft['id']}: {visible(draft['goal'])}"
        if draft["fault"]:
            yield f"  cannot be accepted: {visible(draft['fault'])}"


part = feedback
