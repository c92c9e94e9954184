"""Runs of the fleet with the reasons why they wait, for commands that show them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_age
from attractor.base.errors import UnknownName, UsageError
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation
from attractor.cli.runs.universes import require_reach
from attractor.engine.errors import NoRun
from attractor.fleet.errors import UnknownRun
from attractor.fleet.loads import loads_of
from attractor.fleet.reasons import in_words, remedy, why
from attractor.fleet.records import FleetRun, Reason, RunState
from attractor.records.lookup import find_run

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


@dataclass(frozen=True)
class ExplainedRun:
    """A run, why it does not run, and since when it is as it is, in seconds."""

    run: FleetRun
    reason: Reason | None
    since_s: float

    @property
    def words(self) -> str:
        """The reason for people."""
        return in_words(self.reason) if self.reason else ""

    @property
    def age(self) -> str:
        """The time since when it is as it is."""
        return format_age(timedelta(seconds=self.since_s))

    def to_record(self) -> dict[str, Json]:
        """Return the run as JSON, with the command that changes its reason."""
        reason = self.reason
        explained: Json = reason and {
            "kind": reason.kind.value,
            "details": dict(reason.details),
            "words": self.words,
            "command": remedy(reason, self.run),
        }
        return {**write_fields(self.run, reason=""), "since_s": self.since_s, "reason": explained}


async def explain(fleet: "Fleet", runs: Sequence[FleetRun]) -> Sequence[ExplainedRun]:
    """Return runs with their reasons, from what the rows say now."""
    now, workers = await fleet.table.now(), await fleet.table.workers()
    pools = await fleet.table.pools()
    loads = loads_of(pools, await fleet.views.counts((RunState.RUNNING,)))
    is_queued = any(run.state is RunState.QUEUED for run in runs)
    ahead: Mapping[str, int] = await fleet.views.ahead() if is_queued else {}
    return [
        ExplainedRun(
            run, why(run, workers, loads, ahead.get(run.run_id, 0), now), now - run.changed
        )
        for run in runs
    ]


async def find_in_fleet(invocation: Invocation, fleet: "Fleet", reference: str) -> FleetRun:
    """Return the run of the fleet with a reference: of a run here, or the beginning of an id."""
    name = reference
    with suppress(NoRun, UnknownName, UsageError):
        name = find_run(reference, invocation.configuration.settings.runs_dir).name
    found = [*await fleet.views.beginning_with(name, 2)]
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
