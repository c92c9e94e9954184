"""What pools execute, and the demand for workers, from counts of runs."""

from collections.abc import Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.fleet.decisions import share_of
from attractor.fleet.records import Pool, RunState


@dataclass(frozen=True)
class RunCount:
    """How many runs of one kind there are.

    `is_held` says that a person changes them. `is_startable` says that they would run at once on a
    new worker: also runs whose worker is dead, and those whose timer is due.
    """

    universe: str
    pool: str
    engine: str
    label: str
    state: RunState
    is_held: bool
    is_startable: bool
    number: int


@dataclass(frozen=True)
class PoolLoad:
    """The limits of a pool, and its executed runs by universe."""

    pool: Pool
    running: Mapping[str, int]


@dataclass(frozen=True)
class Demand:
    """The runs of one kind that would start on new workers now."""

    pool: str
    engine: str
    label: str
    universe: str
    startable: int


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
