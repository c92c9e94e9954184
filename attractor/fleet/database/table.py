"""The rows of runs and workers in SQLite or PostgreSQL, each change with the queue.

A transaction locks the row of a universe whose money it reserves or settles, then that of the pool,
if the pool has limits, and then that of the run: so claims of one pool count one after the other,
and no two transactions wait for each other. SQLite has one writer at a time. Each change that may
be repeated because its reply was lost does nothing the second time.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from attractor.base.dataclasses import changed
from attractor.base.errors import Refused, UsageError
from attractor.base.json import JsonObject
from attractor.base.records import write_record
from attractor.fleet.database.database import Database
from attractor.fleet.database.queue import Queue
from attractor.fleet.database.run_rows import (
    IS_WAITING,
    columns_of,
    fenced,
    insert_head,
    insert_run,
    lock_known,
    lock_run,
    owned_by,
    read_pools,
    read_run,
    require_idle,
    require_same,
    run_of,
    running_in,
    set_run,
    waiting_in,
)
from attractor.fleet.database.schema import HEADS, LEASES, POOLS, RUNS, SWEEP, TAILS, WORKERS
from attractor.fleet.database.universe_rows import (
    admit,
    change_tenant,
    charge,
    held_tenants,
    insert_tenant,
    insert_world,
    lock_universe,
    locked_tenants,
    of_run,
    read_tenants,
    read_universes,
    require_world,
)
from attractor.fleet.decisions import (
    CAPPED,
    FORGOTTEN_S,
    FULL,
    HOLDER,
    LEASE_S,
    STALE_S,
    UNCLAIMED_S,
    Change,
    canceled,
    claimed,
    held,
    is_holder,
    newly_capped,
    next_attempt,
    next_in,
    ordered,
    released,
    swept,
    wanted,
    why_no_room,
)
from attractor.fleet.errors import ActorBusy
from attractor.fleet.records import (
    EVALUATE,
    HOME,
    NOTHING_SPENT,
    AttemptEnd,
    AttemptRow,
    Claim,
    CommittedHead,
    FleetRun,
    NewRun,
    NotClaimed,
    Pool,
    QueuePlace,
    Reason,
    RowState,
    RunCount,
    Spent,
    Worker,
    area_of,
)
from attractor.fleet.universes import NO_CAPS, Caps, Tenant, need_of, require_name

MOST_AT_ONCE = 1000
"""Limits a transaction to some seconds; the next sweep does the rest."""

KEEP_HEADS = 20
"""So many of the last heads of a run are kept, and all that they reach."""


class SqlTable:
    """The table of a fleet in its database.

    Whatever enqueues or cancels an attempt does so in the transaction of the row. Times are those
    of the database. Without the database, a method raises DatabaseAway.
    """

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue

    async def add(self, new: NewRun) -> None:
        """Add a run and enqueue its first attempt; refuse a second open run of an actor.

        Raise CapRefused for what its universe or world does not allow on any day.
        """

        def work(connection: sa.Connection, now: float) -> None:
            if known := read_run(connection, new.run_id):
                return require_same(known, new)
            require_idle(connection, new)
            require_world(connection, new.project, new.universe)
            # An evaluation belongs to a run that began before.
            admit(connection, vars(new), now, is_new=new.pool != EVALUATE)
            run = insert_run(connection, new, now)
            return self._queue.enqueue(connection, run)

        try:
            await self._database.transact(work)
        except exc.IntegrityError as error:
            # Another one added the same run, or a run of the same actor, in this moment.
            raise ActorBusy(f"run {new.run_id}: {error.orig}") from error

    async def claim(self, run_id: str, attempt: int, worker: str) -> Claim | NotClaimed:
        """Make a worker the owner of a run, with a new epoch.

        Without room in the pool or in the caps, the row gets the reason, and the attempt ends: who
        frees room enqueues the run that waits longest.
        """

        def work(connection: sa.Connection, now: float) -> Claim | NotClaimed:
            tenants = locked_tenants(connection, now, of_run(run_id))
            run, pool = lock_run(connection, run_id)
            if run is None or run.attempt != attempt:
                return NotClaimed()
            if run.owner and run.owner == worker:
                return Claim.of(run)
            if run.state is not RowState.QUEUED or run.cancel:
                return NotClaimed()
            running = running_in(connection, pool)
            if reason := why_no_room(pool, need_of(vars(run)), running, tenants):
                set_run(connection, run, now, reason=reason)
                return NotClaimed(reason)
            return Claim.of(self._apply(connection, run, claimed(run, worker), now))

        return await self._database.transact(work)

    async def commit(
        self,
        claim: Claim,
        head: str,
        spent: Spent | None = None,
        carried_out: Collection[str] = (),
        *,
        ends_stage: bool = False,
    ) -> Claim:
        """Record a head and what the run has spent, and return the claim of the next commit.

        What is spent is settled with the universe and the world. The orders that the head has as
        carried out leave the row. With `ends_stage`, the count of lost workers begins again.
        """
        following: Claim = changed(claim, head=head, seq=claim.seq + 1, spent=spent or claim.spent)
        more = following.spent - claim.spent

        def work(connection: sa.Connection, now: float) -> Claim:
            if more != NOTHING_SPENT:
                lock_universe(connection, of_run(claim.run_id))
            values = {"head": head, "seq": following.seq, "changed": now}
            values |= {"lost": 0} if ends_stage else {}
            done = connection.execute(
                owned_by(claim)
                .where(RUNS.c.seq == claim.seq)
                .values(**values, **vars(following.spent))
            )
            if not done.rowcount:
                run = read_run(connection, claim.run_id)
                known = run and (run.epoch, run.seq, run.head)
                if known != (claim.epoch, following.seq, head):
                    raise fenced(claim, run)
                return following
            insert_head(connection, claim.run_id, following.seq, head, now)
            if more != NOTHING_SPENT:
                charge(connection, claim.run_id, more, now)
            if carried_out and (run := read_run(connection, claim.run_id)):
                left = {name: one for name, one in run.orders.items() if name not in carried_out}
                set_run(connection, run, now, orders=left)
            return following

        return await self._database.transact(work)

    async def end(self, claim: Claim, end: AttemptEnd) -> None:
        """Release a run at the end of its attempt, and let another run have the freed room.

        A run that is wanted, or yields, is enqueued again at once.
        """

        def work(connection: sa.Connection, now: float) -> None:
            run, pool = lock_run(connection, claim.run_id)
            if run is None or run.epoch != claim.epoch:
                raise fenced(claim, run)
            if run.owner != claim.owner:
                return
            self._apply(connection, run, released(run, end, now), now)
            # A run that yields keeps its place in front of others.
            if not end.yields and not is_holder(claim.owner):
                self._give_room(connection, pool or Pool(run.pool), now, most=1)

        await self._database.transact(work)

    async def want(self, run_id: str) -> FleetRun:
        """Let a run continue: enqueue it if it is parked, or note it for the end of its attempt.

        A pause that is not carried out yet is dropped.
        """

        def work(connection: sa.Connection, now: float) -> FleetRun:
            run = lock_known(connection, run_id)
            return self._apply(connection, run, wanted(run, now), now)

        return await self._database.transact(work)

    async def order(self, run_id: str, name: str, order: JsonObject) -> FleetRun | None:
        """Let the worker that owns a run have an order; return None if no worker does.

        The order stays until a commit has it as carried out. A pause parks the run at the end of
        the attempt; one of a run that waits for a worker or for a time parks it at once.
        """

        def work(connection: sa.Connection, now: float) -> FleetRun | None:
            run = lock_known(connection, run_id)
            change = ordered(run, name, order)
            return change and self._apply(connection, run, change, now)

        return await self._database.transact(work)

    async def hold(self, run_id: str, owner: str) -> Claim | NotClaimed:
        """Own a run that no worker owns, to change it here; its queued attempt is dropped."""

        def work(connection: sa.Connection, now: float) -> Claim | NotClaimed:
            run, _ = lock_run(connection, run_id)
            if run is None or run.owner not in ("", owner):
                return NotClaimed(run and run.reason)
            if run.owner == owner:
                return Claim.of(run)
            return Claim.of(self._apply(connection, run, held(run, owner), now))

        if not is_holder(owner):
            raise UsageError(f"invalid holder {owner!r}")
        try:
            return await self._database.transact(work)
        except exc.IntegrityError as error:
            raise ActorBusy(f"run {run_id} has ended, and its actor has an open run") from error

    async def set_reason(self, claim: Claim, reason: Reason | None) -> None:
        """Note why a run stands still while its owner keeps it."""

        def work(connection: sa.Connection, now: float) -> None:
            values = columns_of({"reason": reason, "changed": now})
            if not connection.execute(owned_by(claim).values(**values)).rowcount:
                raise fenced(claim, read_run(connection, claim.run_id))

        await self._database.transact(work)

    async def cancel(self, run_id: str) -> FleetRun:
        """Let nothing claim a run any more, and let its owner end it; without an owner, it ends."""

        def work(connection: sa.Connection, now: float) -> FleetRun:
            run = lock_known(connection, run_id)
            if run.state is RowState.ENDED:
                return run
            run = set_run(connection, run, now, cancel=True)
            return run if run.owner else self._apply(connection, run, canceled(run), now)

        return await self._database.transact(work)

    async def forget(self, run_id: str) -> None:
        """Remove the row of a run that has ended, with its attempts."""
        row = sa.delete(RUNS).where(RUNS.c.run_id == run_id, RUNS.c.state == RowState.ENDED)

        def work(connection: sa.Connection, now: float) -> None:
            if connection.execute(row).rowcount:
                self._queue.forget(connection, run_id)
                for table in (TAILS, HEADS):
                    connection.execute(sa.delete(table).where(table.c.run_id == run_id))

        await self._database.transact(work)

    async def run(self, run_id: str) -> FleetRun | None:
        """Return a run, or None."""
        return await self._database.read(lambda connection, _: read_run(connection, run_id))

    async def runs(
        self,
        *,
        states: Collection[RowState] = (),
        universe: str = "",
        pool: str = "",
        limit: int = 0,
    ) -> Sequence[FleetRun]:
        """Return runs, oldest change first (default: all)."""
        rows = sa.select(RUNS).order_by(RUNS.c.changed, RUNS.c.run_id)
        if states:
            rows = rows.where(RUNS.c.state.in_(states))
        if universe:
            rows = rows.where(RUNS.c.universe == universe)
        if pool:
            rows = rows.where(RUNS.c.pool == pool)
        return await self._select_runs(rows.limit(limit) if limit else rows)

    async def owned(self, worker: str) -> Sequence[FleetRun]:
        """Return the runs that a worker owns; one with `cancel` is to be ended."""
        rows = sa.select(RUNS).where(RUNS.c.owner == worker)
        return await self._select_runs(rows.order_by(RUNS.c.run_id))

    async def heads(self, run_id: str) -> Sequence[CommittedHead]:
        """Return the last heads of a run, the newest one first."""
        rows = sa.select(HEADS.c.seq, HEADS.c.head).where(HEADS.c.run_id == run_id)
        rows = rows.order_by(HEADS.c.seq.desc()).limit(KEEP_HEADS)
        return await self._database.read(
            lambda connection, _: [CommittedHead(*row) for row in connection.execute(rows)]
        )

    async def drop_heads(self, run_id: str, *, after: int, until: int) -> None:
        """Forget the heads of some commits of a run."""
        between = HEADS.c.seq.between(after + 1, until)
        await self._database.execute(sa.delete(HEADS).where(HEADS.c.run_id == run_id, between))

    async def last_heads(self, younger_s: float) -> Sequence[tuple[str, str]]:
        """Return the last heads of all runs, each with its area; forget the others."""
        seq = sa.select(RUNS.c.seq).where(RUNS.c.run_id == HEADS.c.run_id).scalar_subquery()
        rows = sa.select(RUNS.c.universe, RUNS.c.pool, HEADS.c.head)
        rows = rows.join(HEADS, HEADS.c.run_id == RUNS.c.run_id)

        def work(connection: sa.Connection, now: float) -> Sequence[tuple[str, str]]:
            is_old = sa.or_(HEADS.c.committed < now - younger_s, HEADS.c.seq <= seq - KEEP_HEADS)
            connection.execute(sa.delete(HEADS).where(is_old))
            return [(area_of(*where), head) for *where, head in connection.execute(rows)]

        return await self._database.transact(work)

    async def changed_since(self, since: float, projects: Collection[str]) -> Sequence[FleetRun]:
        """Return the runs of some projects that changed after a time, oldest change first."""
        rows = sa.select(RUNS).where(RUNS.c.changed > since, RUNS.c.project.in_(projects))
        return await self._select_runs(rows.order_by(RUNS.c.changed, RUNS.c.run_id))

    async def beginning_with(self, prefix: str, most: int) -> Sequence[str]:
        """Return the ids of runs that begin with a text: the first ones.

        Those of trials only follow the dot after the id of their run.
        """
        rows = sa.select(RUNS.c.run_id).where(RUNS.c.run_id.startswith(prefix, autoescape=True))
        if "." not in prefix:
            rows = rows.where(~RUNS.c.run_id.contains("."))
        rows = rows.order_by(RUNS.c.run_id).limit(most)
        return await self._database.read(lambda connection, _: connection.scalars(rows).all())

    async def alike(self) -> Sequence[tuple[FleetRun, int]]:
        """Return one of the waiting runs of each kind, and the number of runs of that kind.

        Runs of a kind wait for the same reason.
        """
        names = ("project", "universe", "pool", "engine", "label", "state", "reason")
        kind = [*(RUNS.c[name] for name in names), sa.case((RUNS.c.wake_at > 0, True), else_=False)]
        waiting = RUNS.c.state.in_((RowState.QUEUED, RowState.PARKED))
        counts = sa.select(sa.func.min(RUNS.c.run_id), sa.func.count()).where(waiting)
        of_kinds = counts.group_by(*kind)
        rows = await self._database.read(lambda connection, _: connection.execute(of_kinds).all())
        found = {str(run_id): int(number) for run_id, number in rows}
        runs = await self._select_runs(sa.select(RUNS).where(RUNS.c.run_id.in_(found)))
        return [(run, found[run.run_id]) for run in runs]

    async def counts(self, states: Collection[RowState] = tuple(RowState)) -> Sequence[RunCount]:
        """Count runs by kind."""

        def work(connection: sa.Connection, now: float) -> Sequence[RunCount]:
            living = sa.select(WORKERS.c.id).where(WORKERS.c.beat > now - STALE_S)
            is_running, is_held = RUNS.c.state == RowState.RUNNING, RUNS.c.owner.startswith(HOLDER)
            is_lost = sa.and_(is_running, ~is_held, RUNS.c.owner.not_in(living))
            is_due = sa.and_(
                RUNS.c.state == RowState.PARKED, RUNS.c.wake_at > 0, RUNS.c.wake_at <= now
            )
            is_queued = sa.and_(RUNS.c.state == RowState.QUEUED, RUNS.c.reason.not_in(CAPPED))
            could_start = sa.or_(is_queued, is_lost, is_due)
            kind = (RUNS.c.universe, RUNS.c.pool, RUNS.c.engine, RUNS.c.label, RUNS.c.state)
            marks = (
                sa.case((is_held, True), else_=False).label("is_held"),
                sa.case((sa.and_(could_start, ~RUNS.c.cancel), True), else_=False).label("starts"),
            )
            rows = sa.select(*kind, *marks, sa.func.count()).where(RUNS.c.state.in_(states))
            rows = rows.group_by(*kind, *(mark.name for mark in marks)).order_by(*kind)
            return [
                RunCount(
                    where, pool, engine, label, RowState(state), bool(held), bool(starts), count
                )
                for where, pool, engine, label, state, held, starts, count in connection.execute(
                    rows
                )
            ]

        return await self._database.read(work)

    async def places(self) -> Mapping[str, QueuePlace]:
        """Return the place of each queued run in its queue.

        Runs without room in their pool are not in a queue.
        """
        queue: dict[str, Any] = {
            "partition_by": (RUNS.c.pool, RUNS.c.engine, RUNS.c.label),
            "order_by": (RUNS.c.priority, RUNS.c.queued_at, RUNS.c.run_id),
        }
        place = sa.func.row_number().over(**queue)
        front = sa.func.lag(RUNS.c.run_id, 1, "").over(**queue)
        rows = sa.select(RUNS.c.run_id, place - 1, front).where(
            RUNS.c.state == RowState.QUEUED, RUNS.c.reason.not_in(FULL)
        )
        return await self._database.read(
            lambda connection, _: {
                name: QueuePlace(ahead, before) for name, ahead, before in connection.execute(rows)
            }
        )

    async def attempts(self, run_id: str) -> Sequence[AttemptRow]:
        """Return the attempts of a run that the database still has, the first one first."""
        return await self._database.read(
            lambda connection, _: self._queue.attempts(connection, run_id)
        )

    async def pending(self) -> Mapping[str, str]:
        """Return the attempts in the queue, each with its worker or an empty text."""
        return await self._database.read(lambda connection, _: self._queue.pending(connection))

    async def beat(self, worker: Worker) -> Worker:
        """Note that a worker is alive, and return its row: someone may have drained it."""

        def work(connection: sa.Connection, now: float) -> Worker:
            known = sa.update(WORKERS).where(WORKERS.c.id == worker.id)
            beaten = connection.execute(known.values(beat=now).returning(WORKERS))
            row = beaten.mappings().one_or_none()
            if row is None:
                values = vars(worker) | {"began": now, "beat": now, "labels": [*worker.labels]}
                inserted = sa.insert(WORKERS).values(**values).returning(WORKERS)
                row = connection.execute(inserted).mappings().one()
            return _worker_of(row)

        return await self._database.transact(work)

    async def drain(self, worker: str) -> None:
        """Let a worker take no more attempts."""
        drained = sa.update(WORKERS).where(WORKERS.c.id == worker).values(is_draining=True)
        await self._database.execute(drained)

    async def leave(self, worker: str) -> None:
        """Forget a worker that ended."""
        # Not deleted: who may delete rows of PostgreSQL may lock the table.
        left = sa.update(WORKERS).where(WORKERS.c.id == worker).values(beat=0.0)
        await self._database.execute(left)

    async def workers(self) -> Sequence[Worker]:
        """Return the workers that are not forgotten."""

        def work(connection: sa.Connection, now: float) -> Sequence[Worker]:
            known = sa.select(WORKERS).where(WORKERS.c.beat > now - FORGOTTEN_S)
            rows = connection.execute(known.order_by(WORKERS.c.id))
            return [_worker_of(row) for row in rows.mappings()]

        return await self._database.read(work)

    async def pools(self) -> Sequence[Pool]:
        """Return the pools with limits."""
        return await self._database.read(
            lambda connection, _: read_pools(connection, is_locked=False)
        )

    async def set_pool(self, pool: Pool) -> None:
        """Set the limits of a pool; runs that have room now get an attempt."""

        def work(connection: sa.Connection, now: float) -> None:
            values = {"concurrency": pool.concurrency, "share": pool.share}
            row = sa.update(POOLS).where(POOLS.c.name == pool.name).values(**values)
            if not connection.execute(row).rowcount:
                connection.execute(sa.insert(POOLS).values(name=pool.name, **values))
            self._give_room(connection, pool, now)

        if pool.concurrency < 0 or not 0 < pool.share <= 1:
            raise UsageError(
                f"invalid limits of pool {pool.name}: concurrency {pool.concurrency}, "
                f"share {pool.share:g}",
                hint="concurrency is 0 (no limit) or more; a share is more than 0 and at most 1",
            )
        await self._database.transact(work)

    async def tenants(self, universe: str | None = None) -> Sequence[Tenant]:
        """Return a universe and its worlds (default: all of them), by address."""
        return await self._database.read(
            lambda connection, now: read_tenants(connection, now, universe)
        )

    async def capped(self) -> Sequence[Tenant]:
        """Return the tenants that have caps, with what the executed runs take."""
        return await self._database.read(held_tenants)

    async def universes(
        self, projects: Collection[str] = (), after: str = "", limit: int = 0
    ) -> Sequence[tuple[Tenant, int]]:
        """Return universes by name, each with the number of its worlds."""
        return await self._database.read(
            lambda connection, now: read_universes(connection, now, projects, after, limit)
        )

    async def add_universe(self, name: str, caps: Caps = NO_CAPS) -> None:
        """Add a universe; refuse a name that another one has."""
        require_name(name)
        try:
            await self._database.transact(
                lambda connection, _: insert_tenant(connection, name, uuid.uuid4().hex, caps)
            )
        except exc.IntegrityError as error:
            raise Refused(f"universe {name} already exists") from error

    async def set_caps(self, address: str, caps: Caps) -> None:
        """Set the caps of a universe or of a world; runs with room get an attempt."""

        def work(connection: sa.Connection, now: float) -> None:
            lock_universe(connection, address.partition("/")[0])
            change_tenant(connection, address, caps=write_record(caps))
            self._give_room_in_all(connection, now)

        await self._database.transact(work)

    async def set_budget(
        self, run_id: str, max_cost_usd: float | None, max_tokens: int | None
    ) -> None:
        """Let a run spend more or less; raise CapRefused as for a new run."""

        def work(connection: sa.Connection, now: float) -> None:
            values = {"max_cost_usd": max_cost_usd, "max_tokens": max_tokens}
            run = lock_known(connection, run_id)
            admit(connection, vars(run) | values, now, is_new=False)
            set_run(connection, run, now, **values)

        await self._database.transact(work)

    async def archive(self, universe: str) -> None:
        """Let a universe take no new runs."""
        require_name(universe)
        if universe == HOME:
            raise Refused(f"universe {HOME} cannot be archived")
        await self._database.transact(
            lambda connection, _: change_tenant(connection, universe, archived=True)
        )

    async def assign(self, project: str, universe: str, name: str) -> None:
        """Make a project a world of a universe, unless it is one; refuse one of another."""
        require_name(universe)
        await self._database.transact(
            lambda connection, _: insert_world(connection, project, universe, name)
        )

    async def now(self) -> float:
        """Return the time of the database, in seconds."""
        return await self._database.read(lambda _, now: now)

    async def sweep(self, sweeper: str) -> Sequence[str]:
        """Bring together what crashes left apart; return a line for each change.

        One sweeper at a time holds the lease.
        """

        def work(connection: sa.Connection, now: float) -> Sequence[str]:
            is_free = sa.or_(LEASES.c.holder == sweeper, LEASES.c.until <= now)
            lease = sa.update(LEASES).where(LEASES.c.name == SWEEP, is_free)
            taken = connection.execute(lease.values(holder=sweeper, until=now + LEASE_S))
            if not taken.rowcount:
                return []
            # Locked before the runs.
            read_pools(connection, is_locked=True)
            lines: list[str] = []
            for run in self._left_apart(connection, now):
                if change := swept(run, now):
                    self._apply(connection, run, change, now)
                    lines.append(f"run {run.run_id}: {change.words}")
            lines += self._give_room_in_all(connection, now)
            if is_holder(sweeper):
                connection.execute(sa.delete(WORKERS).where(WORKERS.c.beat < now - FORGOTTEN_S))
            return lines

        return await self._database.transact(work)

    async def _select_runs(self, rows: sa.Select[Any]) -> Sequence[FleetRun]:
        return await self._database.read(
            lambda connection, _: [run_of(row) for row in connection.execute(rows).mappings()]
        )

    def _apply(
        self, connection: sa.Connection, run: FleetRun, change: Change, now: float
    ) -> FleetRun:
        """Change a run that this transaction has locked, with its attempts, and return it."""
        if change.drops:
            self._queue.cancel(connection, run)
        run = set_run(connection, run, now, **change.values)
        if change.enqueues:
            self._queue.enqueue(connection, run)
        return run

    def _give_room_in_all(self, connection: sa.Connection, now: float) -> list[str]:
        """Enqueue the runs that have room now, in all pools."""
        pools = {pool.name: pool for pool in read_pools(connection, is_locked=True)}
        rows = sa.select(RUNS.c.pool).where(IS_WAITING).distinct()
        names = sorted({*pools, *connection.scalars(rows)})
        found = (self._give_room(connection, pools.get(name, Pool(name)), now) for name in names)
        return [line for lines in found for line in lines]

    def _give_room(
        self, connection: sa.Connection, pool: Pool, now: float, *, most: int = MOST_AT_ONCE
    ) -> list[str]:
        """Enqueue the runs that wait for the room that a pool has now."""
        waiting = waiting_in(connection, pool, most)
        if not waiting:
            return []
        running, tenants = running_in(connection, pool), held_tenants(connection, now)
        lines: list[str] = []
        for run_id in next_in(pool, running, waiting, tenants, most=most):
            run = lock_known(connection, run_id)
            if run.state is not RowState.QUEUED:
                continue  # canceled meanwhile
            run = self._apply(connection, run, next_attempt(run, {"reason": None}), now)
            lines.append(f"run {run_id}: attempt {run.attempt} has room in pool {pool.name}")
        for run_id, reason in newly_capped(pool, running, waiting, tenants).items():
            run = lock_known(connection, run_id)
            if run.state is RowState.QUEUED and not run.cancel:
                set_run(connection, run, now, reason=reason)
        return lines

    def _left_apart(self, connection: sa.Connection, now: float) -> Sequence[FleetRun]:
        """Return the runs that a sweep may change."""
        living = sa.select(WORKERS.c.id).where(WORKERS.c.beat > now - STALE_S)
        attempt = RUNS.c.run_id + ":" + sa.cast(RUNS.c.attempt, sa.Text)
        rows = sa.select(RUNS).where(
            sa.or_(
                sa.and_(RUNS.c.state == RowState.RUNNING, RUNS.c.owner.not_in(living)),
                sa.and_(RUNS.c.state != RowState.ENDED, RUNS.c.owner == "", RUNS.c.cancel),
                sa.and_(RUNS.c.state == RowState.PARKED, RUNS.c.wake_at > 0, RUNS.c.wake_at <= now),
                sa.and_(
                    RUNS.c.state == RowState.QUEUED,
                    RUNS.c.reason.not_in(FULL),
                    ~self._queue.is_pending(attempt, living, now - UNCLAIMED_S),
                ),
            )
        )
        # Who changes a run of a pool without limits now is not waited for.
        rows = rows.order_by(RUNS.c.run_id).limit(MOST_AT_ONCE)
        rows = rows.with_for_update(of=RUNS, skip_locked=True)
        return [run_of(row) for row in connection.execute(rows).mappings()]


def _worker_of(row: sa.RowMapping) -> Worker:
    values: dict[str, Any] = {**row}
    values["labels"] = tuple(map(str, row["labels"] or ()))
    return Worker(**values)
