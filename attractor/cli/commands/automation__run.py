"""Start a run of an automation now."""

import click

from attractor.automations.start import Starting
from attractor.automations.store import find_automation
from attractor.base.errors import ExitCode
from attractor.base.events import Event
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import INPUT_FORMS, opened_of, read_inputs
from attractor.cli.runs.walk import Watcher, walk
from attractor.factory.ledger.tokens import Scope


@click.command()
@click.argument("name")
@click.option(
    "--input",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help=f"Set an input of this run: {INPUT_FORMS}.",
)
@click.option("--claimed", "run_id", default="", hidden=True, help="Begin the run of this claim.")
@json_lines_option
@click.pass_obj
def automation_run(
    invocation: Invocation, name: str, pairs: tuple[str, ...], run_id: str, as_json: bool
) -> ExitCode:
    """Start a run of an automation now, also of a paused one.

    The run has the inputs, the budget and the judges of the automation, and is executed by this
    process, as by 'attractor run'. Exit with the status of the run.
    """
    operator_name(invocation, Scope.OPERATE)
    opened = opened_of(invocation)
    folder = find_automation(name, opened)
    watcher = Watcher(invocation, as_json=as_json)
    with Starting(folder, opened) as starting:
        if not run_id:
            starting.claim_by_hand(read_inputs(pairs, None, environ=invocation.environ))
        elif not starting.take(run_id):
            return _show_settled(run_id, as_json=as_json)

        def observe(event: Event) -> None:
            starting.note(event)
            watcher(event)

        observed = opened_of(
            invocation, observer=observe, output=watcher.output, quiet=watcher.quiet
        )
        backend = invocation.configuration.settings.backends.default
        result = walk(starting.walk(observed, backend), watcher)
    return show_end(result, observed.project, as_json=as_json)


def _show_settled(run_id: str, *, as_json: bool) -> ExitCode:
    """Print that another process carried out a claim."""
    if as_json:
        show_json({"run_id": run_id, "is_begun_before": True}, is_line=True)
    else:
        show(f"the run {run_id} was begun before")
    return ExitCode.DONE


part = automation_run
