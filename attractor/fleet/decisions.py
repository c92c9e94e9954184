"""Decides what happens to runs, from their rows, the workers and the time alone."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import JsonObject
from attractor.engine.journal.events import Action
from attractor.fleet.records import (
    AttemptEnd,
    Demand,
    FleetRun,
    Pool,
    PoolLoad,
    Reason,
    ReasonKind,
    RunCount,
    RunState,
)
from attractor.fleet.universes import Need, Tenant

BEAT_S = 1.0
"""Workers, and others that own runs, beat so often."""

STALE_S = 4.0
"""A worker that has not beaten for so long is dead."""

UNCLAIMED_S = 30.0
"""An attempt that its worker has had for so long without a claim is lost: the reply was."""

LEASE_S = STALE_S
"""Another one sweeps when the last sweep is older: the sweeper may have died with its runs."""

FORGOTTEN_S = 3600.0
"""A dead worker is shown for so long."""

MOST_LOST = 3
"""A run that loses so many workers in one stage is not tried again by itself."""

CAPPED = (ReasonKind.LIMIT, ReasonKind.BUDGET)
"""The reasons of queued runs that wait for room in the caps of their universe."""

FULL = (ReasonKind.POOL_FULL, ReasonKind.UNIVERSE_FULL, *CAPPED)
"""The reasons of runs that get an attempt when room is freed."""

HOLDER = "server:"
"""The owners that change a run but do not execute it: they take no room."""


class Fate(StrEnum):
    """What a sweep does with a run."""

    KEEP = "keep"
    END = "end"
    """It is to be canceled and has no owner."""
    TAKE_OVER = "take over"
    """Its worker is dead: another attempt follows."""
    PARK_AS_POISON = "park as poison"
    GIVE_BACK = "give back"
    """Who held it is dead: it returns to where it was."""
    WAKE = "wake"
    """Its timer is due."""
    ENQUEUE = "enqueue"
    """The queue has lost its attempt."""


class Following(StrEnum):
    """What happens to a run at the end of its attempt."""

    END = "end"
    YIELD = "yield"
    """The next attempt begins at once, in front of others."""
    GO_ON = "go on"
    """Something wants it to continue: the next attempt begins in its turn."""
    PARK = "park"
    PARK_AS_POISON = "park as poison"


@dataclass(frozen=True)
class Waiting:
    """A run without room; `since` is the time at which it was queued."""

    run_id: str
    need: Need
    priority: int
    since: float


def is_holder(owner: str) -> bool:
    """Return whether an owner changes a run without executing it."""
    return owner.startswith(HOLDER)


def is_executed(run: FleetRun) -> bool:
    """Return whether a worker owns a run."""
    return run.state is RunState.RUNNING and not is_holder(run.owner)


def why_paused(order: JsonObject) -> Reason:
    """Return the reason of a run that an order of a person paused."""
    why = f": {order['why']}" if order["why"] else ""
    return Reason(ReasonKind.PAUSED, {"stopped": f"paused by {order['by']}{why}"})


def pause_of(run: FleetRun) -> Reason | None:
    """Return the reason of a run that is to be parked after its stages in flight, or None."""
    found = [one for one in run.orders.values() if one["action"] == Action.PAUSE]
    return why_paused(found[0]) if found else None


def without_pauses(run: FleetRun) -> Mapping[str, JsonObject]:
    """Return the orders that stay when a run is parked, or is to continue."""
    return {name: one for name, one in run.orders.items() if one["action"] != Action.PAUSE}


def fate_of(run: FleetRun, *, is_owner_alive: bool, is_pending: bool, now: float) -> Fate:
    """Return what a sweep does with a run.

    `is_pending` says that its attempt is in the queue, or at a living worker since a short time.
    """
    match run.state:
        case RunState.RUNNING:
            return Fate.KEEP if is_owner_alive else _fate_without_owner(run)
        case RunState.ENDED:
            return Fate.KEEP
        case _ if run.cancel:
            return Fate.END
        case RunState.PARKED:
            return Fate.WAKE if 0 < run.wake_at <= now else Fate.KEEP
        case RunState.QUEUED:
            is_full = run.reason is not None and run.reason.kind in FULL
            return Fate.KEEP if is_full or is_pending else Fate.ENQUEUE


def _fate_without_owner(run: FleetRun) -> Fate:
    if run.cancel:
        return Fate.END
    if is_holder(run.owner):
        return Fate.GIVE_BACK
    return Fate.PARK_AS_POISON if run.lost + 1 >= MOST_LOST else Fate.TAKE_OVER


def after_end(run: FleetRun, end: AttemptEnd) -> Following:
    """Return what happens to a run at the end of its attempt."""
    if run.cancel or end.state is RunState.ENDED:
        return Following.END
    if end.has_crashed and run.lost + 1 >= MOST_LOST:
        return Following.PARK_AS_POISON
    if pause_of(run):
        return Following.PARK
    if end.yields:
        return Following.YIELD
    return Following.GO_ON if run.wants_run or _is_answered(run, end) else Following.PARK


def _is_answered(run: FleetRun, end: AttemptEnd) -> bool:
    """Return whether an answer came when the process did not hear it any more."""
    is_asking = end.reason is not None and end.reason.kind is ReasonKind.HUMAN
    return is_asking and any(one["action"] == Action.ANSWER for one in run.orders.values())


def parked(run: FleetRun, end: AttemptEnd) -> AttemptEnd:
    """Return the end of an attempt of a run that is parked; a pause stops what would go on."""
    goes_on = end.yields or end.wake_at or end.reason is None
    pause = pause_of(run)
    return changed(end, reason=pause, wake_at=0.0) if pause and goes_on else end


def state_after_hold(held_from: RunState, *, wants_run: bool) -> RunState:
    """Return the state of a run whose holder died."""
    if held_from is RunState.ENDED:
        return RunState.ENDED
    return RunState.QUEUED if wants_run else RunState.PARKED


def share_of(pool: Pool) -> int:
    """Return the number of runs of one universe that a limited pool runs at once."""
    # A share of 0.29 of 100 is 28.999999999999996.
    return max(1, math.floor(pool.share * pool.concurrency + 1e-9))


def why_full(pool: Pool | None, universe: str, running: Mapping[str, int]) -> Reason | None:
    """Return why a pool has no room for a run of a universe, or None.

    `running` counts the runs of each universe over all engines and labels.
    """
    if pool is None or not pool.concurrency:
        return None
    total, own = sum(running.values()), running.get(universe, 0)
    if total >= pool.concurrency:
        figures = {"pool": pool.name, "running": total, "concurrency": pool.concurrency}
        return Reason(ReasonKind.POOL_FULL, {**figures})
    if own >= share_of(pool):
        figures = {"pool": pool.name, "universe": universe, "running": own, "share": share_of(pool)}
        return Reason(ReasonKind.UNIVERSE_FULL, {**figures})
    return None


def why_no_room(
    pool: Pool | None, need: Need, running: Mapping[str, int], tenants: Sequence[Tenant]
) -> Reason | None:
    """Return why a run must wait for room in the caps of its universe or in its pool, or None."""
    for tenant in tenants:
        if tenant.is_of(need) and (reason := tenant.why_full(need)):
            return reason
        share = tenant.caps.share
        if tenant.is_of(need) and not tenant.is_world and pool and share and share < pool.share:
            full = why_full(changed(pool, share=share), need.universe, running)
            if full and full.kind is ReasonKind.UNIVERSE_FULL:
                figures = {"cap": "share", "address": tenant.address}
                figures |= {"concurrency": pool.concurrency}
                return Reason(ReasonKind.LIMIT, {**full.details, **figures})
    return why_full(pool, need.universe, running)


def next_in(
    pool: Pool,
    running: Mapping[str, int],
    waiting: Sequence[Waiting],
    tenants: Sequence[Tenant] = (),
    *,
    most: int,
) -> Sequence[str]:
    """Return the runs that get the room of a pool: those that wait longest, within priority."""
    counts = dict(running)
    held = [*tenants]
    chosen: list[str] = []
    for run in sorted(waiting, key=lambda run: (run.priority, run.since, run.run_id)):
        if len(chosen) == most:
            break
        need = run.need
        if why_no_room(pool, need, counts, held) is None:
            counts[need.universe] = counts.get(need.universe, 0) + 1
            held[:] = (tenant.with_run(need) for tenant in held)
            chosen.append(run.run_id)
    return chosen


def loads_of(pools: Sequence[Pool], counts: Sequence[RunCount]) -> Mapping[str, PoolLoad]:
    """Return the load of each pool that has limits or executes runs."""
    running: dict[str, dict[str, int]] = {pool.name: {} for pool in pools}
    for count in counts:
        if count.state is RunState.RUNNING and not count.is_held:
            by_universe = running.setdefault(count.pool, {})
            by_universe[count.universe] = by_universe.get(count.universe, 0) + count.number
    limits = {pool.name: pool for pool in pools}
    return {
        name: PoolLoad(limits.get(name, Pool(name)), by_universe)
        for name, by_universe in running.items()
    }


def demand_of(pools: Sequence[Pool], counts: Sequence[RunCount]) -> Sequence[Demand]:
    """Return the demand for workers: what the limits of pools and universes leave room for."""
    executed = [count for count in counts if not count.is_startable]
    loads = loads_of(pools, executed)
    used = {name: dict(load.running) for name, load in loads.items()}
    waiting: dict[tuple[str, str, str, str], int] = {}
    for count in counts:
        if count.is_startable:
            kind = (count.pool, count.engine, count.label, count.universe)
            waiting[kind] = waiting.get(kind, 0) + count.number
    found: list[Demand] = []
    for kind, number in sorted(waiting.items()):
        pool, universe = kind[0], kind[-1]
        running = used.setdefault(pool, {})
        limits = loads[pool].pool if pool in loads else Pool(pool)
        startable = min(number, _room(limits, universe, running))
        running[universe] = running.get(universe, 0) + startable
        if startable:
            found.append(Demand(*kind, startable))
    return found


def _room(pool: Pool, universe: str, running: Mapping[str, int]) -> int:
    if not pool.concurrency:
        return 10**9
    left = pool.concurrency - sum(running.values())
    return max(0, min(left, share_of(pool) - running.get(universe, 0)))
