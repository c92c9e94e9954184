"""Keep feedback on an app for its next plan."""

from pathlib import Path

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.growth import control_plane_of
from attractor.cli.shell_completion import complete_runs


@click.command("feedback")
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
def keep_feedback(
    invocation: Invocation, telemetry: Path | None, run: str, as_json: bool
) -> ExitCode:
    """Keep feedback on an app for the next plan that a model makes.

    Feedback consists of ids and numbers; it contains no words of the app's users.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.plans import feedback

    if not telemetry and not run:
        raise UsageError("no feedback is given", hint="pass --telemetry or --run")
    record = feedback(control_plane_of(invocation), telemetry=telemetry, run=run)
    if as_json:
        show_json(record)
    else:
        nodes = number_of(len(record["telemetry"]), "node")  # pyright: ignore
        verdict = ", and the verdict on a run" if record["gate"] else ""
        show(f"kept for the next plan: counts of {nodes}{verdict}")
    return ExitCode.DONE


part = keep_feedback
