"""Resume a stopped run."""

from dataclasses import replace

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import continue_actor_of, operator_name, orders_to, show_receipt
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of, override_options, turn_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.operations.resume import resume_run
from attractor.factory.operator_process import Scope
from attractor.records.lookup import find_run
from attractor.records.request import Overrides


@click.command()
@run_argument()
@override_options
@click.option(
    "--restore-sessions",
    is_flag=True,
    help="Restore the conversations of agents from disk (default: start with a summary).",
)
@click.option(
    "--accept-graph",
    is_flag=True,
    help="Continue with the changed pipeline file and print the differences.",
)
@json_lines_option
@click.pass_obj
def resume(
    invocation: Invocation,
    reference: str,
    overrides: Overrides,
    restore_sessions: bool,
    accept_graph: bool,
    as_json: bool,
) -> ExitCode:
    """Resume a stopped run.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest'. Only the interrupted
    stage is repeated, with the files as they were at its start. If the run is paused, its process
    continues. If a process is executing the run and the run is not paused, the command
    is refused. At a terminal, the command asks the open questions. Secrets are not stored: pass the
    secret inputs of the run again. A run of the fleet that is parked continues in its pool, where
    only its budgets can be changed; one that has ended there is delivered and evaluated here.
    """
    runs_dir = invocation.configuration.settings.runs_dir
    root = find_run(reference, runs_dir)
    overrides = replace(
        overrides,
        restores_sessions=restore_sessions,
        accepts_graph=operator_name(invocation, Scope.OPERATE) if accept_graph else "",
    )
    if RunDirectory(root).elsewhere.exists():
        # Imported here, because most runs are executed on this machine.
        from attractor.cli.runs.dispatch import resume_in_fleet

        return resume_in_fleet(invocation, root, overrides, as_json=as_json)
    orders = orders_to(invocation, reference)
    if orders.is_paused():
        return show_receipt(orders.resume(), as_json=as_json, is_line=True)
    watcher = Watcher(invocation, root, as_json=as_json)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    work = resume_run(root, opened, overrides, await_turn=turn_of(opened))
    result = walk(work, watcher)
    continue_actor_of(root, opened)
    return show_end(result, opened.project, as_json=as_json)


part = resume
