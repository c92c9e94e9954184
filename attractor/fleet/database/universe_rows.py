"""The statements on the rows of universes and worlds, in the transactions of the table.

A transaction that changes or reserves the money of a universe locks its row before pools and runs.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from attractor.base.errors import UnknownName
from attractor.base.records import read_record, write_record
from attractor.fleet.database.schema import RUNS, UNIVERSES
from attractor.fleet.decisions import HOLDER
from attractor.fleet.errors import CapRefused
from attractor.fleet.records import NOTHING_SPENT, RowState, Spent
from attractor.fleet.universes import (
    Caps,
    Tenant,
    by_universe,
    day_of,
    free_address,
    need_of,
    tenants_in,
)

_NEED = ("universe", "project", "actor", "max_cost_usd", "max_tokens", "cost_usd", "tokens")
NEED = tuple(RUNS.c[name] for name in _NEED)
"""The columns that say what a run takes."""

_NO_CAPS = "{}"
_Name = str | sa.ScalarSelect[str]


def read_tenants(
    connection: sa.Connection, now: float, universe: _Name | None = None, without: str = ""
) -> Sequence[Tenant]:
    """Return the tenants of a universe (default: of all), leaving out some caps."""
    rows = sa.select(UNIVERSES).order_by(UNIVERSES.c.address)
    rows = rows.where(sa.cast(UNIVERSES.c.caps, sa.Text) != without)
    rows = rows if universe is None else rows.where(UNIVERSES.c.universe == universe)
    return [_tenant_of({**row}, now) for row in connection.execute(rows).mappings()]


def _tenant_of(row: Mapping[str, Any], now: float) -> Tenant:
    return Tenant(
        row["address"],
        row["id"],
        read_record(Caps, row["caps"]),
        row["archived"],
        Spent(row["cost_usd"], row["tokens"], row["unpriced_tokens"])
        if row["day"] >= day_of(now)
        else NOTHING_SPENT,
    )


def read_universes(
    connection: sa.Connection, now: float, projects: Collection[str], after: str, limit: int
) -> Sequence[tuple[Tenant, int]]:
    """Return universes after a name, each with the number of its worlds (limit 0: all).

    With `projects`, only those with these worlds, and no other worlds are counted.
    """
    world = UNIVERSES.alias()
    is_counted = sa.and_(
        world.c.address != world.c.universe, world.c.id.in_(projects) if projects else sa.true()
    )
    counted = sa.select(world.c.universe, sa.func.count().label("worlds")).where(is_counted)
    worlds = counted.group_by(world.c.universe).subquery()
    rows = (
        sa.select(UNIVERSES, sa.func.coalesce(worlds.c.worlds, 0).label("worlds"))
        .join(worlds, worlds.c.universe == UNIVERSES.c.address, isouter=not projects)
        .where(UNIVERSES.c.address == UNIVERSES.c.universe, UNIVERSES.c.address > after)
        .order_by(UNIVERSES.c.address)
    )
    found = connection.execute(rows.limit(limit) if limit else rows).mappings()
    return [(_tenant_of({**row}, now), int(row["worlds"])) for row in found]


def insert_tenant(connection: sa.Connection, address: str, id_: str, caps: Caps) -> None:
    """Add a universe or a world."""
    values = {"address": address, "universe": address.partition("/")[0], "id": id_}
    values |= {"caps": write_record(caps), "archived": False}
    connection.execute(sa.insert(UNIVERSES).values(**values, day=0, **vars(NOTHING_SPENT)))


def change_tenant(connection: sa.Connection, name: str, **values: object) -> None:
    """Set values of a universe or a world, which this locks."""
    row = sa.update(UNIVERSES).where(UNIVERSES.c.address == name).values(**values)
    if not connection.execute(row).rowcount:
        kind = "world" if "/" in name else "universe"
        raise UnknownName(kind, name, connection.scalars(sa.select(UNIVERSES.c.address)).all())


def insert_world(connection: sa.Connection, project: str, universe: str, name: str) -> None:
    """Make a project a world of a universe; one of another universe stays there."""
    change_tenant(connection, universe, address=universe)
    if not require_world(connection, project, universe):
        taken = connection.scalars(sa.select(UNIVERSES.c.address)).all()
        insert_tenant(connection, free_address(universe, name, taken), project, Caps())


def require_world(connection: sa.Connection, project: str, universe: str) -> bool:
    """Return whether a project is a world of a universe; refuse one of another universe."""
    known = sa.select(UNIVERSES.c.universe).where(UNIVERSES.c.id == project)
    before = connection.scalar(known)
    if before not in (None, universe):
        raise CapRefused(f"the project is a world of universe {before}, not of {universe}")
    return before is not None


def admit(connection: sa.Connection, run: Mapping[str, Any], now: float, *, is_new: bool) -> None:
    """Refuse a run that its universe or its world does not allow on any day."""
    tenants = read_tenants(connection, now, run["universe"])
    for tenant in tenants_in(tenants, run["universe"], run["project"]):
        tenant.require_admitted(need_of(run), is_new=is_new)


def of_run(run_id: str, name: str = "universe") -> sa.ScalarSelect[str]:
    """Return a column of a run for other statements."""
    return sa.select(RUNS.c[name]).where(RUNS.c.run_id == run_id).scalar_subquery()


def lock_universe(connection: sa.Connection, universe: _Name) -> None:
    """Keep the money of a universe from other transactions until the end of this one."""
    row = sa.select(UNIVERSES.c.address).where(UNIVERSES.c.address == universe)
    connection.execute(row.with_for_update()).all()


def locked_tenants(connection: sa.Connection, now: float, universe: _Name) -> Sequence[Tenant]:
    """Lock the caps of a universe, and return the tenants that have some."""
    if not held_tenants(connection, now, universe):
        return ()
    lock_universe(connection, universe)
    return held_tenants(connection, now, universe)


def held_tenants(
    connection: sa.Connection, now: float, universe: _Name | None = None
) -> Sequence[Tenant]:
    """Return the tenants that have caps, with what the executed runs take."""
    found = by_universe(read_tenants(connection, now, universe, _NO_CAPS))
    if not found:
        return ()
    is_executed = sa.and_(RUNS.c.state == RowState.RUNNING, ~RUNS.c.owner.startswith(HOLDER))
    is_capped = RUNS.c.universe.in_(found)
    for row in connection.execute(sa.select(*NEED).where(is_executed, is_capped)).mappings():
        need = need_of({**row})
        found[need.universe] = [tenant.with_run(need) for tenant in found[need.universe]]
    return [tenant for tenants in found.values() for tenant in tenants]


def charge(connection: sa.Connection, run_id: str, more: Spent, now: float) -> None:
    """Add what a run has spent to the day of its universe and its world."""
    today, universe, project = day_of(now), of_run(run_id), of_run(run_id, "project")
    is_own = sa.or_(UNIVERSES.c.address == universe, UNIVERSES.c.id == project)
    # One that began after midnight may have been faster than this transaction.
    is_counted = UNIVERSES.c.day >= today
    day = sa.case((is_counted, UNIVERSES.c.day), else_=today)
    sums = {
        name: sa.case((is_counted, UNIVERSES.c[name]), else_=0) + amount
        for name, amount in vars(more).items()
    }
    rows = sa.update(UNIVERSES).where(UNIVERSES.c.universe == universe, is_own)
    connection.execute(rows.values(day=day, **sums))
