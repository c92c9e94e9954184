"""The table of a fleet and its queue in memory, by the same decisions as that of the database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.json import JsonObject
from attractor.fleet import decisions
from attractor.fleet.errors import ActorBusy, CapRefused, Fenced, UnknownRun
from attractor.fleet.records import (
    EVALUATE,
    HOME,
    NOTHING_SPENT,
    AttemptEnd,
    Claim,
    FleetRun,
    NewRun,
    NotClaimed,
    Pool,
    Reason,
    RowState,
    Spent,
    Worker,
    attempt_id,
)
from attractor.fleet.universes import (
    NO_CAPS,
    Caps,
    Tenant,
    day_of,
    free_address,
    need_of,
    require_name,
    tenants_in,
)

MOST_AT_ONCE = 1000
_NEW: Mapping[str, Any] = (
    {"attempt": 1, "state": RowState.QUEUED, "owner": "", "reason": None, "wake_at": 0.0}
    | dict.fromkeys(("epoch", "seq", "lost"), 0)
    | dict.fromkeys(("wants_run", "cancel"), False)
)


@dataclass
class Queued:
    """An attempt that has not ended; `worker` has dequeued it, at a time."""

    queue: str
    place: tuple[int, float, str]
    worker: str = ""
    taken_at: float = 0.0


Noticed = Callable[[str, FleetRun | None, FleetRun, Claim | None], None]
"""Gets each change of a row: its cause, the run before and after it, and the claim behind it."""


class ModelTable:
    """A table in memory. `now` is the time of the database."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.noticed: Noticed | None = None
        self.rows: dict[str, FleetRun] = {}
        self.queue: dict[str, Queued] = {}
        self.alive: dict[str, Worker] = {}
        self.limits: dict[str, Pool] = {}
        self.lease = ("", 0.0)
        self.known = {HOME: Tenant(HOME, HOME)}
        self.spent: dict[tuple[str, int], Spent] = {}

    async def add(self, new: NewRun) -> None:
        if known := self.rows.get(new.run_id):
            values = vars(new).items()
            if any(getattr(known, name) != one for name, one in values if name != "head"):
                raise Refused(f"run {new.run_id} is in the fleet, with other values")
            return
        self._require_idle(new.universe, new.actor)
        self._require_world(new.project, new.universe)
        self._admit(vars(new), is_new=new.pool != EVALUATE)
        now = self._now()
        run = FleetRun(**vars(new), **_NEW, created=now, changed=now, queued_at=now)
        self.rows[new.run_id] = run
        self._enqueue(run)
        self._notice("add", None, run)

    async def claim(self, run_id: str, attempt: int, worker: str) -> Claim | NotClaimed:
        run = self.rows.get(run_id)
        if run is None or run.attempt != attempt:
            return NotClaimed()
        if run.owner and run.owner == worker:
            return Claim.of(run)
        if run.state is not RowState.QUEUED or run.cancel:
            return NotClaimed()
        pool, running = self.limits.get(run.pool), self._running(run.pool)
        if reason := decisions.why_no_room(pool, need_of(vars(run)), running, self._held()):
            self._set("refuse", run, reason=reason)
            return NotClaimed(reason)
        return Claim.of(self._apply("claim", run, decisions.claimed(run, worker)))

    async def commit(
        self,
        claim: Claim,
        head: str,
        spent: Spent | None = None,
        carried_out: Collection[str] = (),
        *,
        ends_stage: bool = False,
    ) -> Claim:
        run = self.rows.get(claim.run_id)
        following: Claim = changed(claim, head=head, seq=claim.seq + 1, spent=spent or claim.spent)
        if run and self.may_commit(run, claim):
            values = {"head": head, "seq": following.seq, **vars(following.spent)}
            values |= {"lost": 0} if ends_stage else {}
            orders = run.orders.items()
            values["orders"] = {name: one for name, one in orders if name not in carried_out}
            self._set("commit", run, claim, **values)
            self._charge(run, following.spent - claim.spent)
        elif run is None or Claim.of(run) != changed(following, owner=run.owner):
            raise Fenced(self._place(claim))
        return following

    def may_commit(self, run: FleetRun, claim: Claim) -> bool:
        return _is_owned(run, claim) and run.seq == claim.seq

    async def end(self, claim: Claim, end: AttemptEnd) -> None:
        run = self.rows.get(claim.run_id)
        if run is None or run.epoch != claim.epoch:
            raise Fenced(self._place(claim))
        if run.owner != claim.owner:
            return
        self._apply("end", run, decisions.released(run, end, self._now()))
        if not end.yields and not decisions.is_holder(claim.owner):
            self._give_room(run.pool, most=1)

    async def want(self, run_id: str) -> FleetRun:
        run = self._known(run_id)
        return self._apply("want", run, decisions.wanted(run, self._now()))

    async def order(self, run_id: str, name: str, order: JsonObject) -> FleetRun | None:
        run = self._known(run_id)
        change = decisions.ordered(run, name, order)
        return change and self._apply("order", run, change)

    async def hold(self, run_id: str, owner: str) -> Claim | NotClaimed:
        if not decisions.is_holder(owner):
            raise UsageError(f"invalid holder {owner!r}")
        run = self.rows.get(run_id)
        if run is None or run.owner not in ("", owner):
            return NotClaimed(run and run.reason)
        if run.owner == owner:
            return Claim.of(run)
        if run.state is RowState.ENDED:
            self._require_idle(run.universe, run.actor)
        return Claim.of(self._apply("hold", run, decisions.held(run, owner)))

    async def set_reason(self, claim: Claim, reason: Reason | None) -> None:
        run = self.rows.get(claim.run_id)
        if run is None or not _is_owned(run, claim):
            raise Fenced(self._place(claim))
        self._set("reason", run, reason=reason)

    async def cancel(self, run_id: str) -> FleetRun:
        run = self._known(run_id)
        if run.state is RowState.ENDED:
            return run
        run = self._set("cancel", run, cancel=True)
        return run if run.owner else self._apply("end", run, decisions.canceled(run))

    async def forget(self, run_id: str) -> None:
        if run_id in self.rows and self.rows[run_id].state is RowState.ENDED:
            del self.rows[run_id]

    async def run(self, run_id: str) -> FleetRun | None:
        return self.rows.get(run_id)

    async def runs(
        self,
        *,
        states: Collection[RowState] = (),
        universe: str = "",
        pool: str = "",
        limit: int = 0,
    ) -> Sequence[FleetRun]:
        found = [
            run
            for run in self.rows.values()
            if (not states or run.state in states)
            and universe in ("", run.universe)
            and pool in ("", run.pool)
        ]
        found.sort(key=lambda run: (run.changed, run.run_id))
        return found[:limit] if limit else found

    async def owned(self, worker: str) -> Sequence[FleetRun]:
        return [run for _, run in sorted(self.rows.items()) if run.owner == worker]

    async def beat(self, worker: Worker) -> Worker:
        now = self._now()
        known = self.alive.get(worker.id) or changed(worker, began=now)
        self.alive[worker.id] = changed(known, beat=now)
        return self.alive[worker.id]

    async def drain(self, worker: str) -> None:
        if known := self.alive.get(worker):
            self.alive[worker] = changed(known, is_draining=True)

    async def leave(self, worker: str) -> None:
        self.alive.pop(worker, None)

    async def workers(self) -> Sequence[Worker]:
        return [self.alive[name] for name in sorted(self.alive)]

    async def pools(self) -> Sequence[Pool]:
        return [self.limits[name] for name in sorted(self.limits)]

    async def set_pool(self, pool: Pool) -> None:
        if pool.concurrency < 0 or not 0 < pool.share <= 1:
            raise UsageError(f"invalid limits of pool {pool.name}")
        self.limits[pool.name] = pool
        self._give_room(pool.name)

    async def tenants(self) -> Sequence[Tenant]:
        return [
            changed(one, spent=self._spent(address)) for address, one in sorted(self.known.items())
        ]

    async def add_universe(self, name: str, caps: Caps = NO_CAPS) -> None:
        require_name(name)
        if name in self.known:
            raise Refused(f"universe {name} already exists")
        self.known[name] = Tenant(name, f"id of {name}", caps)

    async def set_caps(self, address: str, caps: Caps) -> None:
        self._change_tenant(address, caps=caps)
        self._give_room_in_all()

    async def set_budget(
        self, run_id: str, max_cost_usd: float | None, max_tokens: int | None
    ) -> None:
        values = {"max_cost_usd": max_cost_usd, "max_tokens": max_tokens}
        self._admit(vars(self._known(run_id)) | values, is_new=False)
        self._set("budget", self._known(run_id), **values)

    async def archive(self, universe: str) -> None:
        require_name(universe)
        if universe == HOME:
            raise Refused("home cannot be archived")
        self._change_tenant(universe, archived=True)

    async def assign(self, project: str, universe: str, name: str) -> None:
        require_name(universe)
        self._change_tenant(universe)
        if not self._require_world(project, universe):
            address = free_address(universe, name, self.known)
            self.known[address] = Tenant(address, project)

    async def now(self) -> float:
        return self._now()

    async def sweep(self, sweeper: str) -> Sequence[str]:
        now = self._now()
        holder, until = self.lease
        if holder != sweeper and until > now:
            return []
        self.lease = (sweeper, now + decisions.LEASE_S)
        lines: list[str] = []
        for run_id, run in sorted(self.rows.items()):
            is_alive, is_pending = self.is_alive(run.owner), self._is_pending(run)
            change = decisions.swept(run, now, is_owner_alive=is_alive, is_pending=is_pending)
            if change:
                self._apply("sweep", run, change)
                lines.append(f"run {run_id}: {change.words}")
        lines += self._give_room_in_all()
        for name, worker in [*self.alive.items()]:
            if worker.beat < now - decisions.FORGOTTEN_S:
                del self.alive[name]
        return lines

    async def take(self, queue: str, worker: str) -> str:
        """Let a worker have the first attempt of a queue, if there is one."""
        waiting = [
            name for name, one in self.queue.items() if (one.queue, one.worker) == (queue, "")
        ]
        first = min(waiting, key=lambda name: self.queue[name].place, default="")
        if first:
            self.queue[first].worker, self.queue[first].taken_at = worker, self._now()
        return first

    def is_alive(self, worker: str) -> bool:
        return worker in self.alive and self.alive[worker].beat > self._now() - decisions.STALE_S

    def _is_pending(self, run: FleetRun) -> bool:
        queued = self.queue.get(attempt_id(run.run_id, run.attempt))
        if queued is None or not queued.worker:
            return queued is not None
        is_new = queued.taken_at > self._now() - decisions.UNCLAIMED_S
        return is_new and self.is_alive(queued.worker)

    def _apply(self, cause: str, run: FleetRun, change: decisions.Change) -> FleetRun:
        if change.drops:
            self._dequeue(run)
        after = changed(run, **change.values)
        if change.enqueues:
            self._enqueue(after)
        return self._set(cause, run, **change.values)

    def _give_room_in_all(self) -> list[str]:
        names = sorted({*self.limits, *(run.pool for run in self.rows.values())})
        return [line for name in names for line in self._give_room(name)]

    def _give_room(self, name: str, *, most: int = MOST_AT_ONCE) -> list[str]:
        pool, tenants = self.limits.get(name, Pool(name)), self._held()
        waiting = [
            decisions.Waiting(
                run.run_id, need_of(vars(run)), run.priority, run.queued_at, run.reason.kind
            )
            for run in self.rows.values()
            if run.pool == name and run.state is RowState.QUEUED and not run.cancel
            if run.reason and run.reason.kind in decisions.FULL
        ]
        lines: list[str] = []
        running = self._running(name)
        for run_id in decisions.next_in(pool, running, waiting, tenants, most=most):
            change = decisions.next_attempt(self.rows[run_id], {"reason": None})
            run = self._apply("room", self.rows[run_id], change)
            lines.append(f"run {run_id}: attempt {run.attempt} has room in pool {name}")
        capped = decisions.newly_capped(pool, running, waiting, tenants)
        for run_id, reason in capped.items():
            self._set("refuse", self.rows[run_id], reason=reason)
        return lines

    def _running(self, pool: str) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for run in self.rows.values():
            if run.pool == pool and decisions.is_executed(run):
                counts[run.universe] = counts.get(run.universe, 0) + 1
        return counts

    def _admit(self, run: Mapping[str, Any], *, is_new: bool) -> None:
        for tenant in tenants_in(self.known.values(), run["universe"], run["project"]):
            tenant.require_admitted(need_of(run), is_new=is_new)

    def _require_world(self, project: str, universe: str) -> bool:
        before = [one.universe for one in self.known.values() if one.id == project]
        if before not in ([], [universe]):
            raise CapRefused(f"the project is a world of universe {before[0]}")
        return bool(before)

    def _change_tenant(self, address: str, **values: Any) -> None:
        if address not in self.known:
            raise UnknownName("universe", address, self.known)
        self.known[address] = changed(self.known[address], **values)

    def _held(self) -> Sequence[Tenant]:
        found = [
            changed(one, spent=self._spent(one.address))
            for one in self.known.values()
            if one.caps != NO_CAPS
        ]
        for run in self.rows.values() if found else ():
            if decisions.is_executed(run):
                found = [tenant.with_run(need_of(vars(run))) for tenant in found]
        return found

    def _spent(self, address: str) -> Spent:
        return self.spent.get((address, day_of(self._now())), NOTHING_SPENT)

    def _charge(self, run: FleetRun, more: Spent) -> None:
        for tenant in tenants_in(self.known.values(), run.universe, run.project):
            before = self._spent(tenant.address)
            after = Spent(**{name: getattr(before, name) + one for name, one in vars(more).items()})
            self.spent[tenant.address, day_of(self._now())] = after

    def _set(
        self, cause: str, run: FleetRun, claim: Claim | None = None, /, **values: Any
    ) -> FleetRun:
        after: FleetRun = changed(run, **values, changed=self._now())
        self.rows[run.run_id] = after
        self._notice(cause, run, after, claim)
        return after

    def _notice(
        self, cause: str, before: FleetRun | None, after: FleetRun, claim: Claim | None = None
    ) -> None:
        if self.noticed:
            self.noticed(cause, before, after, claim)

    def _enqueue(self, run: FleetRun) -> None:
        place = (run.priority, run.queued_at, run.run_id)
        self.queue[attempt_id(run.run_id, run.attempt)] = Queued(run.queue, place)

    def _dequeue(self, run: FleetRun) -> None:
        self.queue.pop(attempt_id(run.run_id, run.attempt), None)

    def _known(self, run_id: str) -> FleetRun:
        if run_id not in self.rows:
            raise UnknownRun(f"unknown run {run_id!r}")
        return self.rows[run_id]

    def _require_idle(self, universe: str, actor: str) -> None:
        for run in self.rows.values() if actor else ():
            is_open = run.state is not RowState.ENDED
            if is_open and (run.universe, run.actor) == (universe, actor):
                raise ActorBusy(f"actor {actor} has the open run {run.run_id}")

    def _place(self, claim: Claim) -> str:
        state = self.rows[claim.run_id].state if claim.run_id in self.rows else "gone"
        return f"attempt {attempt_id(claim.run_id, claim.attempt)} of {claim.owner}: {state}"


def _is_owned(run: FleetRun, claim: Claim) -> bool:
    return (run.epoch, run.owner) == (claim.epoch, claim.owner)
