"""The one reason why a run does not run, in figures and in words, and the command that changes it.

All of it is computed from rows: nothing here reads a database.
"""

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attractor import __version__
from attractor.base.amounts import format_seconds, number_of
from attractor.base.json import Json
from attractor.fleet.decisions import STALE_S, is_holder, why_full
from attractor.fleet.loads import PoolLoad
from attractor.fleet.records import FleetRun, Reason, ReasonKind, RunState, Worker
from attractor.records.diagnosis.failures import budget_option


def is_alive(worker: Worker, now: float) -> bool:
    """Return whether a worker has beaten lately."""
    return worker.beat > now - STALE_S


def without_holders(workers: Sequence[Worker]) -> Sequence[Worker]:
    """Return the workers, without those who only change runs and beat meanwhile."""
    return [one for one in workers if not is_holder(one.id)]


def serves(worker: Worker, run: FleetRun) -> bool:
    """Return whether a worker listens to the queue of a run."""
    is_labeled = run.label == "" or run.label in worker.labels
    return (worker.pool, worker.engine) == (run.pool, run.engine) and is_labeled


def why(
    run: FleetRun,
    workers: Sequence[Worker],
    pools: Mapping[str, PoolLoad],
    ahead: int,
    now: float,
) -> Reason | None:
    """Return why a run does not run; None if it runs or has ended.

    `ahead` is the number of runs of its queue that begin before it.
    """
    match run.state:
        case RunState.ENDED:
            return None
        case RunState.RUNNING:
            return _why_running(run, workers, now)
        case RunState.PARKED:
            return _why_parked(run)
        case RunState.QUEUED:
            return _why_queued(run, workers, pools, ahead, now)


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


def _why_queued(
    run: FleetRun,
    workers: Sequence[Worker],
    pools: Mapping[str, PoolLoad],
    ahead: int,
    now: float,
) -> Reason:
    if missing := _no_worker(run, workers, now):
        return missing
    if run.reason and run.reason.kind in (ReasonKind.POOL_FULL, ReasonKind.UNIVERSE_FULL):
        load = pools.get(run.pool)
        if load and (full := why_full(load.pool, run.universe, load.running)):
            return Reason(full.kind, {**full.details, "concurrency": load.pool.concurrency})
    elif run.reason:
        return run.reason
    serving = [one for one in workers if _takes(one, run, now)]
    figures = {"ahead": ahead, "workers": len(serving), "slots": sum(one.slots for one in serving)}
    return Reason(ReasonKind.BEHIND, {"queue": run.queue, **figures})


def _no_worker(run: FleetRun, workers: Sequence[Worker], now: float) -> Reason | None:
    """Return the reason of a run that no worker would take."""
    if any(_takes(one, run, now) for one in workers):
        return None
    where: dict[str, Json] = {"pool": run.pool, "engine": run.engine, "label": run.label}
    living = [one for one in without_holders(workers) if is_alive(one, now)]
    if draining := [one.name for one in living if serves(one, run)]:
        return Reason(ReasonKind.DRAINING, {**where, "workers": [*draining]})
    others = sorted({_place(one.pool, one.engine, one.labels) for one in living})
    return Reason(ReasonKind.NO_WORKER, {**where, "others": [*others]})


def _takes(worker: Worker, run: FleetRun, now: float) -> bool:
    return is_alive(worker, now) and not worker.is_draining and serves(worker, run)


def _place(pool: str, engine: str, labels: Sequence[str]) -> str:
    named = f", {'labels' if len(labels) > 1 else 'label'} {' '.join(labels)}" if labels else ""
    return f"pool {pool}, attractor {engine}{named}"


def remedy(reason: Reason, run: FleetRun) -> str:
    """Return a command that changes a reason."""
    try:
        return _raise_cap(reason.details) if "cap" in reason.details else _remedy(reason, run)
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
            return f"attractor answer {run.run_id}"
        case ReasonKind.STORE_UNREACHABLE:
            return "attractor fleet status"
        case ReasonKind.BUDGET:
            more = budget_option(str(figures.get("stopped", "")))
            return " ".join(["attractor resume", run.run_id, *more])
        case ReasonKind.PAUSED if "holder" in figures:
            return f"attractor fleet why {run.run_id}"
        case _:
            return f"attractor resume {run.run_id}"


def _larger(figures: Mapping[str, Any]) -> float:
    """Return a share of a pool with room for one more run of a universe."""
    return min(1.0, math.ceil(100 * (figures["share"] + 1) / figures["concurrency"]) / 100)


def _raise_cap(figures: Mapping[str, Any]) -> str:
    """Return the command that raises a cap of a universe or of a world."""
    cap, (universe, _, world) = figures["cap"], figures["address"].partition("/")
    if cap == "share":
        value = _larger(figures)
    else:
        value = math.ceil(100 * (figures["spent"] + figures["held"] + figures["needs"])) / 100
    where = [universe, "--world", world] if world else [universe]
    option = f"--{cap.replace('_', '-')}"
    return shlex.join(["attractor", "universe", "caps", *where, option, f"{value:.12g}"])


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
        return _WORDS[reason.kind](reason.details)
    except _INVALID:
        return f"{reason.kind}, with invalid figures"


_INVALID = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError)
"""Errors of figures that are not of their reason: a worker may have written anything."""

_Figures = Mapping[str, Any]


def _no_worker_in_words(figures: _Figures) -> str:
    label = (figures["label"],) if figures["label"] else ()
    wanted = _place(figures["pool"], figures["engine"], label)
    lost = f"worker {figures['lost']} is lost, and " if "lost" in figures else ""
    others = figures["others"]
    there = f"there are workers of {'; '.join(others)}" if others else "there are no workers"
    return f"{lost}no worker serves {wanted} ({there})"


def _draining_in_words(figures: _Figures) -> str:
    names = ", ".join(figures["workers"])
    return f"the workers of pool {figures['pool']} take nothing new: {names}"


def _pool_full_in_words(figures: _Figures) -> str:
    return f"pool {figures['pool']} is full: {figures['running']} of {figures['concurrency']} runs"


def _universe_full_in_words(figures: _Figures) -> str:
    runs = f"{figures['running']} of {number_of(int(figures['share']), 'run')}"
    return f"universe {figures['universe']} has its share of pool {figures['pool']}: {runs}"


def _cap_in_words(figures: _Figures) -> str:
    if figures["cap"] == "share":
        return _universe_full_in_words(figures)
    used = f"{figures['spent']:.12g} used, {figures['held']:.12g} reserved by executed runs"
    cap = f"{figures['cap']} of {figures['address']} is {figures['limit']:.12g}"
    return f"{cap}: {used}, and the run needs {figures['needs']:.12g}"


def _behind_in_words(figures: _Figures) -> str:
    workers = number_of(int(figures["workers"]), "worker")
    slots = f"{number_of(int(figures['slots']), 'slot')} of {workers}"
    if not figures["ahead"]:
        return f"it is the next one of its queue ({slots})"
    return f"behind {number_of(int(figures['ahead']), 'run')} of its queue ({slots})"


def _taking_over_in_words(figures: _Figures) -> str:
    silent = figures.get("silent_s")
    since = "" if silent is None else f": no beat for {format_seconds(round(silent, 1))}"
    return f"another worker takes over from {figures['worker']}{since}"


def _paused_in_words(figures: _Figures) -> str:
    return (
        f"{figures['holder']} changes it" if "holder" in figures else f"stopped{_stopped(figures)}"
    )


def _poison_in_words(figures: _Figures) -> str:
    lost = number_of(int(figures.get("lost", 0)), "worker")
    return f"not tried again, because it lost {lost} in one stage"


def _until(figures: Mapping[str, Any]) -> str:
    until = figures.get("until")
    return f" until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC" if until else ""


def _stopped(figures: Mapping[str, Any]) -> str:
    return f": {figures['stopped']}" if figures.get("stopped") else ""


_WORDS: Mapping[ReasonKind, Callable[[_Figures], str]] = {
    ReasonKind.NO_WORKER: _no_worker_in_words,
    ReasonKind.DRAINING: _draining_in_words,
    ReasonKind.POOL_FULL: _pool_full_in_words,
    ReasonKind.UNIVERSE_FULL: _universe_full_in_words,
    ReasonKind.BEHIND: _behind_in_words,
    ReasonKind.TAKING_OVER: _taking_over_in_words,
    ReasonKind.HUMAN: lambda figures: "waits for the answer of a person",
    ReasonKind.TIMER: lambda figures: f"waits for a timer{_until(figures)}",
    ReasonKind.LIMIT: lambda figures: (
        _cap_in_words(figures)
        if "cap" in figures
        else f"the account of a model is at its limit{_until(figures)}{_stopped(figures)}"
    ),
    ReasonKind.BUDGET: lambda figures: (
        _cap_in_words(figures) if "cap" in figures else f"has used up a budget{_stopped(figures)}"
    ),
    ReasonKind.PAUSED: _paused_in_words,
    ReasonKind.STORE_UNREACHABLE: lambda figures: (
        "its worker cannot reach the store, and keeps what is finished"
    ),
    ReasonKind.POISON: _poison_in_words,
}
