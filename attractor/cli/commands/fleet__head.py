"""Show what a run of the fleet committed last."""

from typing import TYPE_CHECKING

import click

from attractor.base.amounts import format_size, number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode, Refused
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.fleet_runs import find_in_fleet
from attractor.cli.shell_completion import complete_runs
from attractor.fleet.records import EVALUATE, FleetRun
from attractor.fleet.store.heads import HeadTree

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


@dataclass(frozen=True)
class RunHead:
    """The last commit of a run: the hash of its files, its number, and who owned the run."""

    run_id: str
    head: str
    seq: int
    epoch: int
    attempt: int
    owner: str
    files: int
    size: int


@click.command()
@click.argument("reference", metavar="RUN", shell_complete=complete_runs)
@click.option(
    "--restore",
    "restores",
    is_flag=True,
    help="If the head is damaged, continue from the last head that is whole.",
)
@json_option
@click.pass_obj
def fleet_head(invocation: Invocation, reference: str, restores: bool, as_json: bool) -> ExitCode:
    """Show what a run of the fleet committed last: its head, and the files of the head.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest'. Exit with 6 if a
    listing of the head is missing or has changed. With --restore, the stages after the last whole
    head are executed again, and the journal of the run records who wanted that.
    """
    if restores:
        return _restore(invocation, reference, as_json=as_json)

    async def read(fleet: "Fleet") -> RunHead:
        run = await find_in_fleet(invocation, fleet, reference)
        tree = await HeadTree.load(await fleet.blobs_of(run.area), run.head)
        sizes = [entry.size async for _, entry in tree.files()]
        counted = (len(sizes), sum(sizes))
        return RunHead(run.run_id, run.head, run.seq, run.epoch, run.attempt, run.owner, *counted)

    found = in_fleet(invocation, read)
    owner = f", owner {found.owner}" if found.owner else ""
    lines = [
        f"run {found.run_id}: commit {found.seq}",
        f"head: {found.head} ({number_of(found.files, 'file')}, {format_size(found.size)})",
        f"attempt: {found.attempt}, epoch {found.epoch}{owner}",
    ]
    return show_result(write_fields(found), *lines, as_json=as_json)


def _restore(invocation: Invocation, reference: str, *, as_json: bool) -> ExitCode:
    # Imported here, because only the fleet needs a database.
    from attractor.cli.runs.dispatch import restore_in_fleet

    async def find(fleet: "Fleet") -> FleetRun:
        return await find_in_fleet(invocation, fleet, reference)

    run = in_fleet(invocation, find)
    if run.pool == EVALUATE:
        raise Refused(
            f"{run.run_id} is not a run: it has the trials of one",
            hint=f"send those that are left again: attractor resume {run.directory}",
        )
    found = restore_in_fleet(invocation, run)
    words = f"run {run.run_id}: continues in pool {run.pool} from commit {found.seq}"
    return show_result({"run_id": run.run_id, **write_fields(found)}, words, as_json=as_json)


part = fleet_head
