"""Decides what happens to runs, from their rows, the workers and the time alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import JsonObject
from attractor.engine.journal.events import Action
from attractor.fleet.errors import RunEnded
from attractor.fleet.records import (
    AttemptEnd,
    Demand,
    FleetRun,
    Pool,
    PoolLoad,
    Reason,
    ReasonKind,
    RowState,
    RunCount,
)
from attractor.fleet.universes import Share, Tenant, by_universe

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


@dataclass(frozen=True)
class Change:
    """A change of the row of a run, with its attempts in the queue; `words` are for people.

    With `drops`, the present attempt leaves the queue. With `enqueues`, the attempt of the changed
    row comes into the queue, at the place of its `queued_at`.
    """

    values: Mapping[str, Any]
    words: str = ""
    drops: bool = False
    enqueues: bool = False


@dataclass(frozen=True)
class Waiting:
    """A run without room; `since` is the time at which it was queued, `kind` why it waits."""

    run_id: str
    need: Share
    priority: int
    since: float
    kind: str = ""


def is_holder(owner: str) -> bool:
    """Return whether an owner changes a run without executing it."""
    return owner.startswith(HOLDER)


def is_executed(run: FleetRun) -> bool:
    """Return whether a worker owns a run."""
    return run.state is RowState.RUNNING and not is_holder(run.owner)


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


def next_attempt(
    run: FleetRun, values: Mapping[str, Any], words: str = "", *, drops: bool = False
) -> Change:
    """Return the change that enqueues the next attempt of a run, whose last one has ended.

    It keeps the place of the run, unless a value is another `queued_at`: one that was in progress
    was queued before those that wait, and so is ahead of them.
    """
    free = {"state": RowState.QUEUED, "owner": "", "attempt": run.attempt + 1}
    free |= {"wants_run": False, "wake_at": 0.0}
    return Change({**free, **values}, words, drops, enqueues=True)


def claimed(run: FleetRun, worker: str) -> Change:
    """Return the change that makes a worker the owner of a queued run."""
    values = {"state": RowState.RUNNING, "owner": worker, "epoch": run.epoch + 1}
    return Change({**values, "reason": None})


def wanted(run: FleetRun, now: float) -> Change:
    """Return the change that lets a run continue, now or after its present attempt."""
    if run.state is RowState.ENDED:
        raise RunEnded(f"run {run.run_id} has ended")
    orders = {"orders": without_pauses(run)}
    if run.state is RowState.PARKED:
        # One that lost its workers may be parked before its pause was carried out.
        woken = _woken(run, now)
        return changed(woken, values={**woken.values, **orders})
    return Change({"wants_run": run.wants_run or run.state is RowState.RUNNING, **orders})


def _woken(run: FleetRun, now: float) -> Change:
    is_poison = run.reason is not None and run.reason.kind is ReasonKind.POISON
    values = {"reason": None, "lost": 0 if is_poison else run.lost, "queued_at": now}
    return next_attempt(run, values, "its timer is due")


def ordered(run: FleetRun, name: str, order: JsonObject) -> Change | None:
    """Return the change by which the worker of a run gets an order; None if no worker owns it.

    A pause of a run that waits for a worker or for a time parks it at once.
    """
    if is_executed(run):
        return Change({"orders": {**run.orders, name: {**order}}})
    is_waiting = run.state is RowState.QUEUED or (run.wake_at > 0 and not run.owner)
    if order["action"] != Action.PAUSE or not is_waiting:
        return None
    values = {"state": RowState.PARKED, "wake_at": 0.0, "reason": why_paused(order)}
    return Change({**values, "orders": without_pauses(run)}, drops=True)


def held(run: FleetRun, owner: str) -> Change:
    """Return the change that makes a holder the owner of a run."""
    values = {"state": RowState.RUNNING, "owner": owner, "epoch": run.epoch + 1}
    values |= {"attempt": run.attempt + 1, "held_from": run.state}
    wants_run = run.wants_run or run.state is RowState.QUEUED
    return Change({**values, "wants_run": wants_run}, drops=True)


def canceled(run: FleetRun) -> Change:
    """Return the change that ends a canceled run, which no living worker owns."""
    values = {"state": RowState.ENDED, "owner": "", "epoch": run.epoch + 1}
    values |= {"wants_run": False, "reason": None, "wake_at": 0.0}
    return Change(values, "ended, because it was canceled", drops=True)


def given_back(run: FleetRun) -> Change:
    """Return the change by which a run is as before its hold."""
    state = RowState.QUEUED if run.wants_run else RowState.PARKED
    if run.held_from is RowState.ENDED:
        state = RowState.ENDED
    words = f"{state} again, because {run.owner} is gone"
    values = {"owner": "", "epoch": run.epoch + 1}
    if state is RowState.QUEUED:
        return next_attempt(run, {**values, "reason": None}, words)
    return Change({**values, "state": state}, words)


def _poisoned(run: FleetRun) -> Change:
    """Return the change that parks a run because it lost another worker in one stage."""
    lost = run.lost + 1
    reason = Reason(ReasonKind.POISON, {"worker": run.owner, "lost": lost})
    values = {"state": RowState.PARKED, "owner": "", "wants_run": False, "wake_at": 0.0}
    words = f"parked, because it lost {lost} workers in one stage"
    return Change({**values, "reason": reason, "lost": lost}, words)


def swept(
    run: FleetRun, now: float, *, is_owner_alive: bool = False, is_pending: bool = False
) -> Change | None:
    """Return what a sweep does with a run, or None.

    `is_pending` says that its attempt is in the queue, or at a living worker since a short time.
    """
    match run.state:
        case RowState.RUNNING:
            return None if is_owner_alive else _swept_without_owner(run)
        case RowState.ENDED:
            return None
        case _ if run.cancel:
            return canceled(run)
        case RowState.PARKED:
            return _woken(run, now) if 0 < run.wake_at <= now else None
        case RowState.QUEUED:
            if is_pending or (run.reason is not None and run.reason.kind in FULL):
                return None
            words = f"attempt {run.attempt + 1} replaces one that was lost"
            return next_attempt(run, {"reason": run.reason}, words, drops=True)


def _swept_without_owner(run: FleetRun) -> Change:
    if run.cancel:
        return canceled(run)
    if is_holder(run.owner):
        return given_back(run)
    epoch, lost = run.epoch + 1, run.lost + 1
    if lost >= MOST_LOST:
        poisoned = _poisoned(run)
        return changed(poisoned, values={**poisoned.values, "epoch": epoch}, drops=True)
    words = f"attempt {run.attempt + 1} takes over from {run.owner}"
    reason = Reason(ReasonKind.TAKING_OVER, {"worker": run.owner, "lost": lost})
    values = {"epoch": epoch, "lost": lost, "reason": reason}
    return next_attempt(run, values, words, drops=True)


def released(run: FleetRun, end: AttemptEnd, now: float) -> Change:
    """Return the change of a run at the end of its attempt."""
    if end.is_undone and not run.cancel:
        return given_back(run)
    free = {"owner": "", "wants_run": False, "wake_at": 0.0}
    if run.cancel or end.state is RowState.ENDED:
        return Change({**free, "state": RowState.ENDED, "reason": end.reason})
    lost = run.lost + end.has_crashed
    if end.has_crashed and lost >= MOST_LOST:
        return _poisoned(run)
    pause = pause_of(run)
    if end.yields and not pause:
        return next_attempt(run, {"reason": end.reason, "lost": lost})
    if not pause and (run.wants_run or _is_answered(run, end)):
        return next_attempt(run, {"reason": None, "queued_at": now})
    if pause and (end.yields or end.wake_at or end.reason is None):
        # A pause stops what would go on.
        end = changed(end, reason=pause, wake_at=0.0)
    values = {"state": RowState.PARKED, "wake_at": end.wake_at, "reason": end.reason}
    return Change({**free, **values, "orders": without_pauses(run)})


def _is_answered(run: FleetRun, end: AttemptEnd) -> bool:
    """Return whether an answer came when the process did not hear it any more."""
    is_asking = end.reason is not None and end.reason.kind is ReasonKind.HUMAN
    return is_asking and any(one["action"] == Action.ANSWER for one in run.orders.values())


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
        return Reason(ReasonKind.UNIVERSE_FULL, {**figures, "concurrency": pool.concurrency})
    return None


def why_no_room(
    pool: Pool | None, need: Share, running: Mapping[str, int], tenants: Sequence[Tenant]
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
    held = by_universe(tenants)
    chosen: list[str] = []
    for run in sorted(waiting, key=lambda run: (run.priority, run.since, run.run_id)):
        if len(chosen) == most:
            break
        need = run.need
        own = held.get(need.universe, ())
        if why_no_room(pool, need, counts, own) is None:
            counts[need.universe] = counts.get(need.universe, 0) + 1
            held[need.universe] = [tenant.with_run(need) for tenant in own]
            chosen.append(run.run_id)
    return chosen


def newly_capped(
    pool: Pool,
    running: Mapping[str, int],
    waiting: Sequence[Waiting],
    tenants: Sequence[Tenant],
) -> Mapping[str, Reason]:
    """Return why runs that waited for their pool wait for caps now: no new worker helps them."""
    held = by_universe(tenants)
    reasons = {
        run.run_id: why_no_room(pool, run.need, running, held.get(run.need.universe, ()))
        for run in waiting
        if run.kind not in CAPPED
    }
    return {name: one for name, one in reasons.items() if one and one.kind in CAPPED}


def loads_of(pools: Sequence[Pool], counts: Sequence[RunCount]) -> Mapping[str, PoolLoad]:
    """Return the load of each pool that has limits or executes runs."""
    running: dict[str, dict[str, int]] = {pool.name: {} for pool in pools}
    for count in counts:
        if count.state is RowState.RUNNING and not count.is_held:
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
