"""The statements on the rows of runs and pools, in the transactions of the table."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from attractor.base.errors import Refused
from attractor.fleet.database.schema import HEADS, POOLS, RUNS
from attractor.fleet.database.universe_rows import NEED, of_run
from attractor.fleet.decisions import FULL, Waiting, is_holder
from attractor.fleet.errors import ActorBusy, Fenced, UnknownRun
from attractor.fleet.records import (
    Claim,
    FleetRun,
    NewRun,
    Pool,
    Reason,
    ReasonKind,
    RowState,
    attempt_id,
)
from attractor.fleet.universes import need_of

IS_WAITING = sa.and_(RUNS.c.state == RowState.QUEUED, RUNS.c.reason.in_(FULL), ~RUNS.c.cancel)
"""The condition that a run waits for room."""


def run_of(row: sa.RowMapping) -> FleetRun:
    """Return the run of a row."""
    values: dict[str, Any] = {**row}
    del values["details"]
    values |= {"state": RowState(row["state"]), "held_from": RowState(row["held_from"])}
    values["orders"] = row["orders"] or {}
    # A worker may have written anything.
    is_known = row["reason"] in [*ReasonKind]
    values["reason"] = Reason(ReasonKind(row["reason"]), row["details"] or {}) if is_known else None
    return FleetRun(**values)


def set_run(connection: sa.Connection, run: FleetRun, now: float, **values: object) -> FleetRun:
    """Change a run that this transaction has locked, and return it."""
    row = connection.execute(
        sa.update(RUNS)
        .where(RUNS.c.run_id == run.run_id)
        .values(**columns_of(values | {"changed": now}))
        .returning(RUNS)
    )
    return run_of(row.mappings().one())


def columns_of(values: Mapping[str, object]) -> dict[str, object]:
    """Return the columns of values of a run."""
    columns = dict(values)
    if "reason" in columns:
        reason = columns["reason"]
        is_known = isinstance(reason, Reason)
        columns["reason"] = reason.kind if is_known else ""
        columns["details"] = dict(reason.details) if is_known else {}
    return columns


def insert_run(connection: sa.Connection, new: NewRun, now: float) -> FleetRun:
    """Add a run, whose first attempt is to be enqueued."""
    times = dict.fromkeys(("created", "changed", "queued_at"), now)
    row = connection.execute(sa.insert(RUNS).values(**vars(new), **times).returning(RUNS))
    insert_head(connection, new.run_id, 0, new.head, now)
    return run_of(row.mappings().one())


def insert_head(connection: sa.Connection, run_id: str, seq: int, head: str, now: float) -> None:
    """Note a head that a run has from now on."""
    values = {"run_id": run_id, "seq": seq, "head": head, "committed": now}
    connection.execute(sa.insert(HEADS).values(values))


def require_same(known: FleetRun, new: NewRun) -> None:
    """Accept a run that is added again because a reply was lost."""
    if any(getattr(known, name) != value for name, value in vars(new).items() if name != "head"):
        raise Refused(f"run {new.run_id} is in the fleet, with other values")


def require_idle(connection: sa.Connection, new: NewRun) -> None:
    """Refuse a second open run of an actor."""
    if not new.actor:
        return
    open_run = connection.scalar(
        sa.select(RUNS.c.run_id).where(
            RUNS.c.universe == new.universe,
            RUNS.c.actor == new.actor,
            RUNS.c.state != RowState.ENDED,
        )
    )
    if open_run:
        raise ActorBusy(f"actor {new.actor} has the open run {open_run}")


def read_run(connection: sa.Connection, run_id: str) -> FleetRun | None:
    """Return a run, or None."""
    return _first_run(connection, sa.select(RUNS).where(RUNS.c.run_id == run_id))


def _first_run(connection: sa.Connection, rows: sa.Select[Any]) -> FleetRun | None:
    row = connection.execute(rows).mappings().one_or_none()
    return None if row is None else run_of(row)


def lock_run(connection: sa.Connection, run_id: str) -> tuple[FleetRun | None, Pool | None]:
    """Return a run and its pool with limits, locked until the end of the transaction."""
    limits = sa.select(POOLS).where(POOLS.c.name == of_run(run_id, "pool"))
    pool = connection.execute(limits.with_for_update()).one_or_none()
    run = _first_run(connection, sa.select(RUNS).where(RUNS.c.run_id == run_id).with_for_update())
    return run, None if pool is None else Pool(*pool)


def lock_known(connection: sa.Connection, run_id: str) -> FleetRun:
    """Return a run, locked until the end of the transaction; refuse an unknown one."""
    run, _ = lock_run(connection, run_id)
    if run is None:
        raise UnknownRun(f"unknown run {run_id!r}")
    return run


def owned_by(claim: Claim) -> sa.Update:
    """Return the statement that changes a run of the owner that has a claim."""
    return sa.update(RUNS).where(
        RUNS.c.run_id == claim.run_id, RUNS.c.epoch == claim.epoch, RUNS.c.owner == claim.owner
    )


def running_in(connection: sa.Connection, pool: Pool | None) -> Mapping[str, int]:
    """Count the executed runs of a pool by universe."""
    if pool is None:
        return {}
    rows = connection.execute(
        sa.select(RUNS.c.universe, RUNS.c.owner, sa.func.count())
        .where(RUNS.c.pool == pool.name, RUNS.c.state == RowState.RUNNING)
        .group_by(RUNS.c.universe, RUNS.c.owner)
    )
    counts: dict[str, int] = {}
    for universe, owner, number in rows:
        if not is_holder(owner):
            counts[universe] = counts.get(universe, 0) + number
    return counts


def waiting_in(connection: sa.Connection, pool: Pool, most: int) -> Sequence[Waiting]:
    """Return the runs that may get the room of a pool: of each world, those in front."""
    order = (RUNS.c.priority, RUNS.c.queued_at, RUNS.c.run_id)
    world = (RUNS.c.universe, RUNS.c.project)
    place = sa.func.row_number().over(partition_by=world, order_by=order)
    ranked = (
        sa.select(RUNS.c.run_id, RUNS.c.reason, *order[:2], place.label("place"), *NEED)
        .where(RUNS.c.pool == pool.name, IS_WAITING)
        .subquery()
    )
    rows = connection.execute(sa.select(ranked).where(ranked.c.place <= most)).mappings()
    return [
        Waiting(row["run_id"], need_of({**row}), row["priority"], row["queued_at"], row["reason"])
        for row in rows
    ]


def read_pools(connection: sa.Connection, *, is_locked: bool) -> Sequence[Pool]:
    """Return the pools with limits, locked until the end of the transaction if so wished."""
    rows = sa.select(POOLS).order_by(POOLS.c.name)
    return [Pool(*row) for row in connection.execute(rows.with_for_update() if is_locked else rows)]


def fenced(claim: Claim, run: FleetRun | None) -> Fenced:
    """Return the error of a claim by which its owner may not change a run any more."""
    place = f"attempt {attempt_id(claim.run_id, claim.attempt)} of {claim.owner}"
    if run is None:
        return Fenced(f"{place}: the run is gone")
    owner = f"owned by {run.owner}" if run.owner else f"{run.state}"
    return Fenced(
        f"{place}: epoch {claim.epoch}, commit {claim.seq}; the run is {owner}, epoch {run.epoch}, "
        f"commit {run.seq}"
    )
