"""Say why a run ended or stands as it does, and what to do about it."""

import click

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.reports import diagnosis_text
from attractor.cli.output.streams import show, show_json
from attractor.pipeline.diagnosis.diagnose import diagnose as examine
from attractor.pipeline.run_lookup import find_run, reference_of


@click.command()
@click.argument("reference", metavar="RUN", default="latest")
@json_option
@click.pass_obj
def diagnose(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Say why a run ended or stands as it does, and what to do about it.

    RUN is an id, the beginning of one, a run directory, or 'latest', which it is unless said. The
    chain of causes, what took longest and cost most, loops, retries, what was assumed and every
    interruption come from the run's records; no model is asked. Each remedy has its command.
    """
    runs_dir = invocation.configuration.settings.runs_dir
    root = find_run(reference, runs_dir)
    found = examine(root, reference=reference_of(root, runs_dir), now=SystemClock().now())
    if as_json:
        show_json(found.to_record())
    else:
        show(diagnosis_text(found))
    return ExitCode.DONE


part = diagnose
