"""The one reason why a run does not run, in figures and in words, and the command that changes it.

All of it is computed from rows: nothing here reads a database.
"""

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from attractor import __version__
from attractor.base.amounts import format_seconds, number_of
from attractor.base.json import Json
from attractor.fleet.decisions import FULL, STALE_S, is_holder, why_no_room
from attractor.fleet.records import FleetRun, Pool, PoolLoad, Reason, ReasonKind, RowState, Worker
from attractor.fleet.universes import Tenant, need_of
from attractor.records.diagnosis.failures import budget_option


def is_alive(worker: Worker, now: float) -> bool:
    """Return whether a worker has beaten lately."""
    return worker.beat > now - STALE_S


def without_holders(workers: Sequence[Worker]) -> Sequence[Worker]:
    """Return the workers, without those who only change runs and beat meanwhile."""
    return [worker for worker in workers if not is_holder(worker.id)]


def serves(worker: Worker, run: FleetRun) -> bool:
    """Return whether a worker listens to the queue of a run."""
    is_labeled = run.label == "" or run.label in worker.labels
    return (worker.pool, worker.engine) == (run.pool, run.engine) and is_labeled


def why(
    run: FleetRun,
    workers: Sequence[Worker],
    pools: Mapping[str, PoolLoad],
    tenants: Sequence[Tenant],
    ahead: int,
    now: float,
) -> Reason | None:
    """Return why a run does not run; None if it runs or has ended.

    `tenants` are those of its universe with caps, with what the executed runs take; `ahead` is the
    number of runs of its queue that begin before it.
    """
    match run.state:
        case RowState.ENDED:
            return None
        case RowState.RUNNING:
            return _why_running(run, workers, now)
        case RowState.PARKED:
            return _why_parked(run)
        case RowState.QUEUED:
            if missing := _no_worker(run, workers, now):
                return missing
            return _why_refused(run, pools, tenants) or _behind(run, workers, ahead, now)


def _why_running(run: FleetRun, workers: Sequence[Worker], now: float) -> Reason | None:
    if is_holder(run.owner):
        return Reason(ReasonKind.PAUSED, {"holder": run.owner})
    owner = next((worker for worker in workers if worker.id == run.owner), None)
    if owner and is_alive(owner, now):
        # The owner keeps the run, but it stands still.
        return run.reason
    missing = _no_worker(run, workers, now)
    if missing:
        return Reason(missing.kind, {**missing.details, "lost": owner.name if owner else run.owner})
    figures: dict[str, Json] = {"worker": owner.name if owner else run.owner, "lost": run.lost + 1}
    if owner:
        figures["silent_s"] = now - owner.beat
    return Reason(ReasonKind.TAKING_OVER, figures)


def _why_parked(run: FleetRun) -> Reason:
    kind = ReasonKind.TIMER if run.wake_at else ReasonKind.PAUSED
    reason = run.reason or Reason(kind)
    return Reason(reason.kind, {**reason.details, "until": run.wake_at}) if run.wake_at else reason


def _why_refused(
    run: FleetRun, pools: Mapping[str, PoolLoad], tenants: Sequence[Tenant]
) -> Reason | None:
    if run.reason is None or run.reason.kind not in FULL:
        return run.reason
    # The figures of the refusal are old, and perhaps it waits for room of another kind now.
    load = pools.get(run.pool, PoolLoad(Pool(run.pool), {}))
    return why_no_room(load.pool, need_of(vars(run)), load.running, tenants)


def _behind(run: FleetRun, workers: Sequence[Worker], ahead: int, now: float) -> Reason:
    serving = [worker for worker in workers if _takes(worker, run, now)]
    slots = sum(worker.slots for worker in serving)
    figures = {"ahead": ahead, "workers": len(serving), "slots": slots}
    return Reason(ReasonKind.BEHIND, {"queue": run.queue, **figures})


def _no_worker(run: FleetRun, workers: Sequence[Worker], now: float) -> Reason | None:
    """Return the reason of a run that no worker would take."""
    if any(_takes(worker, run, now) for worker in workers):
        return None
    where: dict[str, Json] = {"pool": run.pool, "engine": run.engine, "label": run.label}
    living = [worker for worker in without_holders(workers) if is_alive(worker, now)]
    if draining := [worker.name for worker in living if serves(worker, run)]:
        return Reason(ReasonKind.DRAINING, {**where, "workers": [*draining]})
    others = sorted({_place(worker.pool, worker.engine, worker.labels) for worker in living})
    return Reason(ReasonKind.NO_WORKER, {**where, "others": [*others]})


def _takes(worker: Worker, run: FleetRun, now: float) -> bool:
    return is_alive(worker, now) and not worker.is_draining and serves(worker, run)


def _place(pool: str, engine: str, labels: Sequence[str]) -> str:
    named = f", {'labels' if len(labels) > 1 else 'label'} {' '.join(labels)}" if labels else ""
    return f"pool {pool}, attractor {engine}{named}"


def remedy(reason: Reason, run: FleetRun) -> str:
    """Return a command that changes a reason."""
    if "damaged" in reason.details:
        return f"attractor fleet head {run.run_id} --restore"
    try:
        return _raise_cap(reason.details, run) if "cap" in reason.details else _remedy(reason, run)
    except _INVALID:
        return f"attractor fleet why {run.run_id}"


def _remedy(reason: Reason, run: FleetRun) -> str:
    figures: Mapping[str, Any] = reason.details
    match reason.kind:
        case ReasonKind.POOL_FULL:
            limit = int(figures["concurrency"]) + 1
            return f"attractor fleet limit {shlex.quote(run.pool)} --concurrency {limit}"
        case ReasonKind.UNIVERSE_FULL:
            return f"attractor fleet limit {shlex.quote(run.pool)} --share {_larger(figures):g}"
        case (
            ReasonKind.NO_WORKER | ReasonKind.DRAINING | ReasonKind.BEHIND | ReasonKind.TAKING_OVER
        ):
            return _another_worker(run)
        case ReasonKind.HUMAN:
            return f"attractor answer {run.directory}"
        case ReasonKind.STORE_UNREACHABLE:
            return "attractor fleet status"
        case ReasonKind.PAUSED if "holder" in figures:
            return f"attractor fleet why {run.run_id}"
        case _:
            more = budget_option(str(figures.get("stopped", "")))
            return " ".join(["attractor resume", run.directory, *more])


def _larger(figures: Mapping[str, Any]) -> float:
    """Return a share of a pool with room for one more run of a universe."""
    return min(1.0, math.ceil(100 * (figures["share"] + 1) / figures["concurrency"]) / 100)


def _raise_cap(figures: Mapping[str, Any], run: FleetRun) -> str:
    """Return the command that raises a cap of a universe or of a world."""
    cap, (universe, _, world) = figures["cap"], figures["address"].partition("/")
    if cap == "share":
        value = f"{_larger(figures):g}"
    elif getattr(run, cap.removesuffix("_per_day"), 0) is None:
        # Without a budget, it takes all of a day, however much that is.
        value = "none"
    else:
        needed = figures["spent"] + figures["held"] + figures["needs"]
        value = f"{math.ceil(100 * needed) / 100:.12g}"
    where = [universe, "--world", world] if world else [universe]
    option = f"--{cap.replace('_', '-')}"
    return shlex.join(["attractor", "universe", "caps", *where, option, value])


def _another_worker(run: FleetRun) -> str:
    """Return the command of a worker that would take a run."""
    label = f" --label {shlex.quote(run.label)}" if run.label else ""
    worker = f"attractor worker --pool {shlex.quote(run.pool)}{label}"
    if run.engine == __version__:
        return worker
    # A run keeps the version with which it began.
    return f"pip install {shlex.quote(f'attractor[fleet]=={run.engine}')} && {worker}"


def in_words(reason: Reason) -> str:
    """Return a reason as a sentence for people, without a full stop."""
    try:
        return _template_of(reason).format_map(_shown(reason.details))
    except _INVALID:
        return f"{reason.kind}, with invalid figures"


_INVALID = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError)
"""Errors of figures that are not of their reason: a worker may have written anything."""

_WORDS: Mapping[ReasonKind, str] = {
    ReasonKind.NO_WORKER: "{lost_worker}no worker serves {place} ({others})",
    ReasonKind.DRAINING: "the workers of pool {pool} take nothing new: {workers}",
    ReasonKind.POOL_FULL: "pool {pool} is full: {running} of {concurrency} runs",
    ReasonKind.UNIVERSE_FULL: "universe {universe} has its share of pool {pool}: "
    "{running} of {share}",
    ReasonKind.BEHIND: "behind {ahead} of its queue ({slots} of {workers})",
    ReasonKind.TAKING_OVER: "another worker takes over from {worker}{silent_s}",
    ReasonKind.HUMAN: "waits for the answer of a person",
    ReasonKind.TIMER: "waits for a timer{until}",
    ReasonKind.LIMIT: "the account of a model is at its limit{until}{stopped}",
    ReasonKind.BUDGET: "has used up a budget{stopped}",
    ReasonKind.PAUSED: "stopped{stopped}",
    ReasonKind.STORE_UNREACHABLE: "its worker cannot reach the store, and keeps what is finished",
    ReasonKind.POISON: "not tried again, because it lost {lost} in one stage",
}
_CAP = (
    "{cap} of {address} is {limit:.12g}: {spent:.12g} used, {held:.12g} reserved by executed runs, "
    "and the run needs {needs:.12g}"
)
_FIRST = "it is the next one of its queue ({slots} of {workers})"
_HELD = "{holder} changes it"


def _template_of(reason: Reason) -> str:
    figures = reason.details
    if "cap" in figures:
        return _WORDS[ReasonKind.UNIVERSE_FULL] if figures["cap"] == "share" else _CAP
    if reason.kind is ReasonKind.BEHIND and not figures["ahead"]:
        return _FIRST
    return _HELD if "holder" in figures else _WORDS[reason.kind]


_NOUNS = {"ahead": "run", "lost": "worker", "share": "run", "slots": "slot", "workers": "worker"}

_PHRASES: Mapping[str, Callable[[Any], str]] = {
    "until": lambda time: f" until {datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC",
    "stopped": lambda why: f": {why}",
    "silent_s": lambda seconds: f": no beat for {format_seconds(round(seconds, 1))}",
}
"""The words for figures that a reason need not have."""


def _shown(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return figures as the templates show them."""
    shown: dict[str, Any] = dict.fromkeys(_PHRASES, "")
    for name, value in figures.items():
        if name in _PHRASES:
            shown[name] = _PHRASES[name](value) if value else ""
        elif name in _NOUNS and isinstance(value, int):
            shown[name] = number_of(value, _NOUNS[name])
        else:
            shown[name] = ", ".join(cast("list[str]", value)) if isinstance(value, list) else value
    if "others" in figures:
        label, others = figures["label"], figures["others"]
        shown["place"] = _place(figures["pool"], figures["engine"], (label,) if label else ())
        lost = f"worker {figures['lost']} is lost, and " if "lost" in figures else ""
        there = f"there are workers of {'; '.join(others)}" if others else "there are no workers"
        shown |= {"lost_worker": lost, "others": there}
    return shown
