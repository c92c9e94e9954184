"""Finds a run of the fleet for commands that show one."""

from contextlib import suppress
from typing import TYPE_CHECKING

from attractor.base.errors import UnknownName, UsageError
from attractor.base.ids import is_run_id
from attractor.cli.invocation import Invocation
from attractor.cli.runs.universes import require_reach
from attractor.engine.errors import NoRun
from attractor.fleet.errors import UnknownRun
from attractor.fleet.records import FleetRun
from attractor.records.lookup import find_run

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


async def find_in_fleet(invocation: Invocation, fleet: "Fleet", reference: str) -> FleetRun:
    """Return the run of the fleet with a reference: of a run here, or the beginning of an id."""
    name = reference
    with suppress(NoRun, UnknownName, UsageError):
        name = find_run(reference, invocation.configuration.settings.runs_dir).name
    found = [*await fleet.table.beginning_with(name, 2)]
    if not found and is_run_id(name):
        # A run that was never in the fleet, whose trials are.
        found = [*await fleet.table.beginning_with(f"{name}.", 1)]
    if name in found:
        found = [name]
    run = await fleet.table.run(found[0]) if len(found) == 1 else None
    if run is None and found:
        raise UsageError(
            f"{reference!r} is the beginning of several runs", hint="write more of the id"
        )
    if run is None:
        raise UnknownRun(f"the fleet has no run {reference!r}")
    require_reach(invocation, [run.project], f"run {run.run_id}")
    return run
