"""Show why a run of the fleet does not run, and the command that changes it."""

from typing import TYPE_CHECKING

import click

from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.fleet_runs import find_in_fleet
from attractor.cli.shell_completion import complete_runs
from attractor.fleet.check import last_whole_head
from attractor.fleet.decisions import pause_of
from attractor.fleet.records import CommittedHead, RowState
from attractor.fleet.views.overview import ExplainedRun, explain, find_row
from attractor.fleet.views.reasons import in_words

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


@click.command()
@click.argument("reference", metavar="RUN", shell_complete=complete_runs)
@json_option
@click.pass_obj
def fleet_why(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Show why a run of the fleet does not run, and the command that changes it.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest'. While workers play
    the trials of its evaluation, the answer is about these.
    """

    async def read(fleet: "Fleet") -> tuple[ExplainedRun, CommittedHead | None]:
        run = await find_in_fleet(invocation, fleet, reference)
        [explained] = await explain(fleet, [await find_row(fleet, run.run_id) or run])
        if not explained.is_damaged:
            return explained, None
        return explained, await last_whole_head(fleet, explained.run)

    found, whole = in_fleet(invocation, read)
    if as_json:
        last = {"last_whole_head": whole and write_fields(whole)} if found.is_damaged else {}
        show_json({**found.to_record(), **last})
        return ExitCode.DONE
    run, reason = found.run, found.reason
    show(f"run {run.run_id}: {run.state} in pool {run.pool} for {found.age}")
    if reason:
        show(f"why: {found.words} ({reason.kind.value})")
        show(f"change it: {found.command}")
    elif run.state is RowState.RUNNING:
        show(f"worker: {run.owner}, attempt {run.attempt}")
        if pause := pause_of(run):
            show(f"after the stages in flight: {in_words(pause)}")
    if found.is_damaged:
        head = f"{whole.head[:12]}, commit {whole.seq}" if whole else "none of the last ones"
        show(f"last whole head: {head}")
    return ExitCode.DONE


part = fleet_why
