"""Explain why a run ended or stopped, and list remedies."""

import click

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.reports import diagnosis_text
from attractor.cli.output.streams import show, show_json
from attractor.cli.shell_completion import complete_runs
from attractor.pipeline.diagnosis.diagnose import diagnose as examine
from attractor.pipeline.runs.lookup import find_run, reference_of


@click.command()
@click.argument("reference", metavar="RUN", default="latest", shell_complete=complete_runs)
@json_option
@click.pass_obj
def diagnose(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Explain why a run ended or stopped, and list remedies.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest' (default: latest).
    The diagnosis lists the chain of causes, the slowest and the most expensive stages, loops,
    retries, stages whose success was assumed, interruptions, and a command for each remedy. The
    diagnosis is computed from the records of the run, without calling a model.
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
