"""Show the fleet: its runs by pool, its workers, its database and its store."""

from collections import Counter
from typing import TYPE_CHECKING

import click

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.fleet import in_fleet
from attractor.fleet.records import RowState
from attractor.fleet.views.overview import fault_of_store
from attractor.fleet.views.reasons import is_alive, without_holders

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


@dataclass(frozen=True)
class FleetStatus:
    """What a fleet is and does; `trouble` says why its store does not answer."""

    database: str
    store: str
    trouble: str
    workers: int
    draining: int
    silent: int
    slots: int
    pools: dict[str, dict[str, int]]


@click.command()
@json_option
@click.pass_obj
def fleet_status(invocation: Invocation, as_json: bool) -> ExitCode:
    """Show the fleet: its runs by pool, its workers, its database and its store.

    Exit with 3 if the store does not answer.
    """
    status = in_fleet(invocation, _read)
    show_result(write_fields(status), *_lines(status), as_json=as_json)
    return ExitCode.UNFINISHED if status.trouble else ExitCode.DONE


async def _read(fleet: "Fleet") -> FleetStatus:
    now = await fleet.table.now()
    workers = without_holders(await fleet.table.workers())
    living = [worker for worker in workers if is_alive(worker, now)]
    pools: dict[str, Counter[str]] = {}
    for count in await fleet.table.counts():
        pools.setdefault(count.pool, Counter())[count.state.value] += count.number
    return FleetStatus(
        database=fleet.database.name,
        store=fleet.addresses.store,
        trouble=await fault_of_store(fleet),
        workers=len(living),
        draining=sum(worker.is_draining for worker in living),
        silent=len(workers) - len(living),
        slots=sum(worker.slots for worker in living if not worker.is_draining),
        pools={
            name: {state: counts[state] for state in RowState} for name, counts in pools.items()
        },
    )


def _lines(status: FleetStatus) -> list[str]:
    details = [
        number_of(status.slots, "slot"),
        *([f"{status.draining} draining"] if status.draining else []),
        *([f"{status.silent} silent"] if status.silent else []),
    ]
    lines = [
        f"database: {status.database}",
        f"store: {status.store}"
        + (f" (does not answer: {status.trouble})" if status.trouble else ""),
        f"workers: {status.workers} ({', '.join(details)})",
    ]
    if not status.pools:
        return [*lines, "There are no runs yet: attractor run PIPELINE.dot --on POOL"]
    rows = [("pool", *(state.value for state in RowState))]
    rows += [
        (name, *(str(counts[state]) for state in RowState))
        for name, counts in sorted(status.pools.items())
    ]
    return [*lines, "", *table(rows)]


part = fleet_status
