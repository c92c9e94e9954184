"""Start a run of an automation now."""

import asyncio
from functools import partial

import click

from attractor.automations.start import Starting
from attractor.automations.store import find_automation
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.output.streams import show, show_json, show_result
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import INPUT_FORMS, input_option, opened_of, read_inputs, turn_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.run_folder.result import RunResult
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.due import DueRun, Here, carry_out
from attractor.factory.operator_process import Scope


@click.command()
@click.argument("name")
@input_option(f"Set an input of this run: {INPUT_FORMS}.")
@click.option("--claimed", "run_id", default="", hidden=True, help="Begin the run of this claim.")
@json_lines_option
@click.pass_obj
def automation_run(
    invocation: Invocation, name: str, pairs: tuple[str, ...], run_id: str, as_json: bool
) -> ExitCode:
    """Start a run of an automation now, also of a paused one.

    The run has the inputs, the budget and the judges of the automation, and is executed by this
    process, as by 'attractor run'. Exit with the status of the run. If the automation has a pool,
    print the id of the run and exit; a worker executes it, and 'attractor serve' judges it.
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

        backend = invocation.configuration.settings.backends.default
        if pool := starting.pool:
            due = starting.due(opened, backend)
            return _submit(invocation, due, opened, pool, as_json=as_json)
        observed = opened_of(
            invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet
        )
        place = Here(observed, turn_of(observed))
        result = walk(_carry_out(starting.due(observed, backend), place), watcher)
    return show_end(result, observed.project, as_json=as_json)


async def _carry_out(due: DueRun, place: Here) -> RunResult:
    result = (await carry_out(due, place)).result
    assert result
    return result


def _submit(
    invocation: Invocation, due: DueRun, opened: OpenProject, pool: str, *, as_json: bool
) -> ExitCode:
    """Let a worker of the pool execute the run of a claim."""
    # Imported here, because only the fleet needs a database.
    from attractor.cli.runs.fleet import open_dispatch
    from attractor.fleet.dispatch.dispatch import Where
    from attractor.fleet.dispatch.in_pool import InPool

    place = InPool(Where(pool), partial(open_dispatch, invocation), opened)
    asyncio.run(carry_out(due, place))
    if as_json:
        show_json({"run_id": due.run_id, "pool": pool}, is_line=True)
    else:
        show(due.run_id)
        show(f"after its end, 'attractor resume {due.run_id}' delivers and evaluates it", err=True)
    return ExitCode.DONE


def _show_settled(run_id: str, *, as_json: bool) -> ExitCode:
    """Print that another process carried out a claim."""
    record = {"run_id": run_id, "is_begun_before": True}
    return show_result(record, f"the run {run_id} was begun before", as_json=as_json, is_line=True)


part = automation_run
