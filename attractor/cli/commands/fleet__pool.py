"""List the pools of the fleet with their limits, their workers and their runs."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.fleet import in_fleet
from attractor.fleet.reasons import is_alive, without_holders
from attractor.fleet.records import Pool, RunState

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet

_OPEN = (RunState.RUNNING, RunState.QUEUED, RunState.PARKED)


@dataclass(frozen=True)
class PoolView:
    """A pool: its limits (0 is no limit), its living workers, and its open runs."""

    name: str
    concurrency: int
    share: float
    workers: int
    slots: int
    running: int
    queued: int
    parked: int


@click.command()
@json_option
@click.pass_obj
def fleet_pool(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the pools of the fleet with their limits, their workers and their runs."""
    pools = in_fleet(invocation, _read)
    if as_json:
        show_json([write_fields(pool) for pool in pools])
        return ExitCode.DONE
    rows = [("pool", "limit", "share", "workers", "slots", "running", "queued", "parked")]
    rows += [
        (
            pool.name,
            f"{pool.concurrency or 'none'}",
            f"{pool.share:.0%}",
            *map(str, (pool.workers, pool.slots, pool.running, pool.queued, pool.parked)),
        )
        for pool in pools
    ]
    show("\n".join(table(rows)) if pools else "There are no pools: attractor worker --pool POOL")
    return ExitCode.DONE


async def _read(fleet: "Fleet") -> Sequence[PoolView]:
    limits = {pool.name: pool for pool in await fleet.table.pools()}
    now = await fleet.table.now()
    workers = without_holders(await fleet.table.workers())
    living = [one for one in workers if is_alive(one, now)]
    runs: dict[str, Counter[str]] = {}
    for count in await fleet.views.counts(_OPEN):
        runs.setdefault(count.pool, Counter())[count.state.value] += count.number
    names = sorted({*limits, *runs, *(one.pool for one in living)})
    return [
        PoolView(
            name,
            limits.get(name, Pool(name)).concurrency,
            limits.get(name, Pool(name)).share,
            sum(one.pool == name for one in living),
            sum(one.slots for one in living if one.pool == name),
            *(runs.get(name, Counter[str]())[state.value] for state in _OPEN),
        )
        for name in names
    ]


part = fleet_pool
