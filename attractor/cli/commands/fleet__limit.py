"""Limit the runs of a pool, over all its workers."""

import re
from typing import TYPE_CHECKING

import click

from attractor.base.amounts import number_of
from attractor.base.dataclasses import changed
from attractor.base.errors import ExitCode, UsageError
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.universes import require_whole_fleet
from attractor.fleet.decisions import share_of
from attractor.fleet.records import Pool

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@click.command()
@click.argument("name", metavar="POOL")
@click.option(
    "--concurrency",
    type=click.IntRange(0, 1_000_000),
    help="Execute at most this many runs of the pool at once. 0: no limit.",
)
@click.option(
    "--share",
    type=float,
    help="Give one universe at most this share of the limit, such as 0.25. 1: all of it.",
)
@json_option
@click.pass_obj
def fleet_limit(
    invocation: Invocation, name: str, concurrency: int | None, share: float | None, as_json: bool
) -> ExitCode:
    """Limit the runs of a pool, over all its workers.

    A limit that is not named stays. Runs that execute already are not ended; runs that have room
    now start.
    """
    require_whole_fleet(invocation)
    if not _NAME.fullmatch(name):
        raise UsageError(f"invalid name {name!r} of a pool", hint="use letters, digits and . _ -")
    given = {"concurrency": concurrency, "share": share}
    values = {key: value for key, value in given.items() if value is not None}
    if not values:
        hint = f"attractor fleet limit {name} --concurrency N --share X"
        raise UsageError("missing limit: --concurrency or --share", hint=hint)

    async def limit(fleet: "Fleet") -> Pool:
        known = {pool.name: pool for pool in await fleet.table.pools()}
        pool: Pool = changed(known.get(name, Pool(name)), **values)
        await fleet.table.set_pool(pool)
        return pool

    pool = in_fleet(invocation, limit)
    most = "no limit"
    if pool.concurrency:
        own = f"at most {share_of(pool)} of one universe"
        most = f"at most {number_of(pool.concurrency, 'run')} at once, {own}"
    return show_result(write_fields(pool), f"pool {name}: {most}", as_json=as_json)


part = fleet_limit
