"""Let a worker end its stages in flight, give its runs back and leave."""

from typing import TYPE_CHECKING

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.universes import require_whole_fleet
from attractor.fleet.records import Worker
from attractor.fleet.views.overview import find_worker
from attractor.fleet.views.reasons import without_holders

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


@click.command()
@click.argument("name", metavar="WORKER")
@json_option
@click.pass_obj
def fleet_drain(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Let a worker end its stages in flight, give its runs back and leave.

    WORKER is the name or the id of a worker, or the unique beginning of one. It takes nothing new;
    its runs continue on other workers.
    """
    require_whole_fleet(invocation)

    async def drain(fleet: "Fleet") -> tuple[Worker, int]:
        worker = find_worker(name, without_holders(await fleet.table.workers()))
        await fleet.table.drain(worker.id)
        return worker, len(await fleet.table.owned(worker.id))

    worker, runs = in_fleet(invocation, drain)
    record = {"worker": worker.id, "name": worker.name, "runs": runs}
    words = f"worker {worker.name} takes nothing new; it executes {number_of(runs, 'run')}"
    return show_result(record, words, as_json=as_json)


part = fleet_drain
