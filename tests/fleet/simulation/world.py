"""The machines and people of a history: workers, a server, and who answers, cancels and kills."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused
from attractor.fleet.decisions import BEAT_S
from attractor.fleet.errors import DatabaseAway
from attractor.fleet.records import (
    AttemptEnd,
    Claim,
    NewRun,
    NotClaimed,
    Pool,
    Reason,
    ReasonKind,
    RowState,
    Worker,
    queue_name,
)
from attractor.fleet.store import heads
from attractor.fleet.store.heads import HeadTree
from attractor.fleet.universes import Tenant
from attractor.fleet.workers.serving import SWEEP_S
from attractor.fleet.workers.worker import RunWorker
from tests.fleet.simulation.invariants import Invariant, Watch, WatchedBlobs
from tests.fleet.simulation.model import ModelTable
from tests.fleet.simulation.network import (
    DATABASE,
    STORE,
    Disturbance,
    Network,
    RemoteBlobs,
    RemoteTable,
)
from tests.fleet.simulation.site import Plan, SimAttempt, SimSite, Step
from tests.fleet.simulation.virtual import Machine

POOL, ENGINE, SLOTS, WORKERS = "p", "1", 2, 3
KEEP_S = 40.0
"""The age at which a blob that no head reaches is removed."""
POLL_S = 0.5
CALM_S = 45.0
"""The time after the last fault in which all runs have an owner again."""
PATIENCE_S = 240.0

CALLS = ("slow", "lost", "reply_lost", "doubled", "late", "torn")
"""The faults of some calls."""
OUTAGES = ("partition", "database_away", "store_away")
_KILLS = ("kill_worker", "kill_process", "kill_sweeper", "kill_server")
FAULTS = (*CALLS, *OUTAGES, *_KILLS, "freeze", "suspend", "clock_jump", "drain")
ORDERS = ("cancel", "want", "pause", "steer")
"""What people do beside answering."""


@dataclass(frozen=True)
class Event:
    """A fault or an order, at a time, for some seconds; `target` chooses what it meets."""

    number: int
    at: float
    kind: str
    seconds: float
    target: int


@dataclass(frozen=True)
class Scenario:
    seed: int
    plans: tuple[Plan, ...]
    pool: Pool
    events: tuple[Event, ...]


class World:
    """All that happens in one history, below one event loop."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.loop = asyncio.get_running_loop()
        self.random = Random(f"world {scenario.seed}")
        self.lines: list[str] = []
        self.met: dict[str, None] = {}
        self.plans = {plan.run_id: plan for plan in scenario.plans}
        self.table = ModelTable(self.loop.time)
        self.table.known |= {name: Tenant(name, name) for name in "uv"}
        self.store = WatchedBlobs(self.loop.time)
        self.watch = Watch(self.table, self.store, self.plans, self.write)
        self.table.limits[POOL] = scenario.pool
        self.network = Network(Random(f"network {scenario.seed}"), self._meet)
        self.executions: dict[tuple[str, str], int] = {}
        self.workers: list[SimWorker] = []
        self.server = Server(self, 1)
        self.kills_sweeper = False
        self._answering: dict[str, None] = {}
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._born = 0

    def write(self, line: str) -> None:
        self.lines.append(f"{self.loop.time():8.3f} {line}")

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._finished)

    async def play(self) -> None:
        """Let all happen, until every run has ended or waits for too long."""
        for _ in range(WORKERS):
            self.add_worker()
        for plan in self.scenario.plans:
            self.start(self._submit(plan))
        for event in self.scenario.events:
            self.start(self._happen(event))
        calm = max([20.0, *(event.at + event.seconds for event in self.scenario.events)])
        while self.watch.violation is None and self.loop.time() < calm + PATIENCE_S:
            await asyncio.sleep(1.0)
            self._answer()
            self._check_processes()
            if self._is_over(calm):
                break
        if self.watch.violation is None:
            self.watch.check_end(self.executions)
        for machine in (self.server.machine, *(worker.machine for worker in self.workers)):
            machine.die()

    def _is_over(self, calm: float) -> bool:
        if self.loop.time() > calm + CALM_S:
            self._check_calm()
        states = [run.state for run in self.table.rows.values()]
        is_ended = len(states) == len(self.plans) and {*states} == {RowState.ENDED}
        return is_ended and self.loop.time() > calm

    def add_worker(self) -> None:
        self._born += 1
        self.workers.append(SimWorker(self, f"w{self._born}"))

    async def replace_later(self, machine: Machine) -> None:
        """Let another machine follow one that is dead."""
        await asyncio.sleep(self.random.uniform(0.5, 3.0))
        if machine is self.server.machine:
            self.server = Server(self, self.server.number + 1)
        else:
            self.workers = [one for one in self.workers if one.machine is not machine]
            self.add_worker()

    def kill(self, machine: Machine) -> None:
        if not machine.is_dead:
            self.write(f"{machine.name} dies")
            machine.die()
            self.start(self.replace_later(machine))

    def _meet(self, kind: str) -> None:
        self.met[kind] = None

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            self.broken(error)

    def broken(self, error: BaseException) -> None:
        self.watch.fail(Invariant.FINISHES, f"internal error: {error!r}")

    async def _ask(self, work: str, *arguments: object) -> bool:
        """Let a person ask the server for something, until it answers or says no."""
        while True:
            server = self.server
            method = getattr(server, work)
            task = server.machine.start(method(*arguments))
            await asyncio.wait([task])
            if not task.cancelled():
                error = task.exception()
                if error is None or isinstance(error, Refused):
                    return error is None
                if not isinstance(error, AttractorError):
                    self.broken(error)
                    return False
            if work == "answer":
                # A person looks again before a second answer.
                return False
            await asyncio.sleep(2.0)

    async def _submit(self, plan: Plan) -> None:
        await asyncio.sleep(self.random.uniform(0.0, 12.0))
        await self._ask("submit", plan)

    def _answer(self) -> None:
        """Let people answer what waits for them, and let poisoned runs continue."""
        for run_id, run in self.table.rows.items():
            if run.state is not RowState.PARKED or run_id in self._answering:
                continue
            head = self.watch.head(run.head)
            wait = self.plans[run_id].waits_for(head.done, head.answers)
            kind = run.reason and run.reason.kind
            stopped = str(run.reason.details.get("stopped", "")) if run.reason else ""
            if stopped and not stopped.startswith("paused by"):
                self.watch.fail(Invariant.FINISHES, f"{run_id}: {run.reason}")
            if kind is ReasonKind.POISON or (kind is ReasonKind.PAUSED and not wait):
                self._answering[run_id] = None
                self.start(self._order("want", run_id))
            elif wait:
                self._answering[run_id] = None
                self.start(self._answer_one(run_id, wait))

    async def _answer_one(self, run_id: str, wait: Step) -> None:
        await asyncio.sleep(self.random.uniform(0.2, 3.0))
        if await self._ask("answer", run_id, wait):
            self.watch.acknowledged.setdefault(run_id, []).append(wait.names[0])
            self.write(f"{run_id} answer {wait.names[0]} accepted")
        self._answering.pop(run_id, None)

    async def _order(self, kind: str, run_id: str) -> None:
        name = f"{kind}-{self.loop.time():.3f}"
        is_done = await self._ask("order", kind, run_id, name)
        if is_done and kind == "steer":
            self.watch.ordered.setdefault(run_id, []).append(name)
        self.write(f"{run_id} {kind} {'accepted' if is_done else 'refused'}")
        if is_done and kind == "cancel" and self.table.rows[run_id].cancel:
            self.watch.canceled[run_id] = None
        self._answering.pop(run_id, None)

    async def _happen(self, event: Event) -> None:
        await asyncio.sleep(event.at)
        target = self.workers[event.target % len(self.workers)]
        name = target.machine.name
        self.write(f"event {event.number}: {event.kind} {name} {event.seconds:.1f} s")
        if event.kind in (*CALLS, *OUTAGES):
            await self._disturb(event, name)
        elif event.kind in ORDERS:
            run_id = sorted(self.plans)[event.target % len(self.plans)]
            if run_id in self.table.rows:
                await self._order(event.kind, run_id)
        elif event.kind == "kill_sweeper":
            self.kills_sweeper = True
        elif event.kind != "kill_process" or self.processes:
            self._meet(event.kind)
            await self._hit(event, target)

    async def _hit(self, event: Event, target: "SimWorker") -> None:
        match event.kind:
            case "kill_worker":
                self.kill(target.machine)
            case "kill_server":
                self.kill(self.server.machine)
            case "kill_process":
                self.processes[event.target % len(self.processes)].die()
            case "clock_jump":
                target.machine.wall_offset += (event.target - 500) * 60.0
            case "drain":
                await self.table.drain(target.machine.name)
            case _:
                with_clock = event.kind == "suspend"
                await target.machine.stand_still(event.seconds, with_clock=with_clock)

    async def _disturb(self, event: Event, name: str) -> None:
        place = {"database_away": DATABASE, "store_away": STORE, "torn": STORE}.get(event.kind, "")
        if event.kind == "partition":
            place = ("", DATABASE, STORE)[event.target % 3]
        machine = name if event.kind == "partition" or event.target % 2 else ""
        if event.kind.endswith("_away"):
            machine = ""
        random = Random(f"{self.scenario.seed} {event.number}")
        is_total = event.kind in OUTAGES
        disturbance = Disturbance(event.kind, place, machine, is_total, random)
        self.network.disturbances.append(disturbance)
        await asyncio.sleep(event.seconds)
        self.network.disturbances.remove(disturbance)

    @property
    def processes(self) -> Sequence[SimAttempt]:
        living = [worker for worker in self.workers if not worker.machine.is_dead]
        return [process for worker in living for process in worker.site.processes]

    def _check_processes(self) -> None:
        for worker in self.workers:
            known = [name.partition(":")[0] for name in worker.executing]
            for process in worker.site.processes if not worker.machine.is_dead else ():
                if process.plan.run_id not in known:
                    words = f"{process.plan.run_id}: {worker.machine.name} forgot its process"
                    self.watch.fail(Invariant.PARKED_FREE, words)

    def _check_calm(self) -> None:
        executing = {
            worker.machine.name: [name.partition(":")[0] for name in worker.executing]
            for worker in self.workers
            if not worker.machine.is_dead
        }
        self.watch.check_calm(executing, [one.plan.run_id for one in self.processes])


class SimWorker:
    """A machine with a worker, which listens to its queue as that of a database."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.machine = Machine(name)
        self.executing: dict[str, None] = {}
        remote = RemoteBlobs(world.network, self.machine, world.store)
        random = Random(f"{world.scenario.seed} {name}")
        self.site = SimSite(self.machine, remote, world.plans, world.executions, random)
        self.table = cast("ModelTable", RemoteTable(world.network, self.machine, world.table))
        row = _worker(name)
        self.worker = RunWorker(row, self.table, self.site.begin, self.machine)
        self._start(self._serve())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self.machine.start(work).add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.world.broken(error)

    async def _serve(self) -> None:
        await self.worker.beat()
        self._start(self.worker.beat_until(lambda: False))
        self._start(self._sweep())
        while not self.worker.worker.is_draining:
            if len(self.executing) < SLOTS and (name := await self._take()):
                self.executing[name] = None
                self._start(self._execute(name))
            await self.machine.wait(POLL_S)
        while self.executing:
            await self.machine.wait(POLL_S)
        with suppress(DatabaseAway):
            await self.table.leave(self.worker.worker.id)
        self.world.kill(self.machine)

    async def _take(self) -> str:
        take = partial(self.world.table.take, queue_name(POOL, ENGINE), self.machine.name)
        with suppress(DatabaseAway):
            return await self.world.network.call(self.machine, DATABASE, take)
        return ""

    async def _execute(self, name: str) -> None:
        run_id, _, attempt = name.partition(":")
        try:
            # An error of an attempt is noted in the queue.
            with suppress(AttractorError):
                await self.worker.execute(run_id, int(attempt))
        finally:
            if not self.machine.is_dead:
                del self.executing[name]
                self.world.table.queue.pop(name, None)

    async def _sweep(self) -> None:
        world, name = self.world, self.machine.name
        while True:
            if world.kills_sweeper and world.table.lease[0] == name:
                world.kills_sweeper = False
                world.met["kill_sweeper"] = None
                world.loop.call_later(world.random.uniform(0.0, 0.03), world.kill, self.machine)
            with suppress(DatabaseAway):
                await self.table.sweep(name)
            await self.machine.wait(SWEEP_S)


class Server:
    """The server: adds runs, changes parked ones for people, and removes old blobs."""

    def __init__(self, world: World, number: int) -> None:
        self.number = number
        self.id = f"server:{number}"
        self.machine = Machine(self.id)
        self._world = world
        self._table = cast("ModelTable", RemoteTable(world.network, self.machine, world.table))
        self._blobs = RemoteBlobs(world.network, self.machine, world.store)
        self._holding: dict[str, None] = {}
        for work in (self._beat(), self._remove_blobs()):
            self.machine.start(work)

    async def submit(self, plan: Plan) -> None:
        tree = await HeadTree.load(self._blobs, "")
        await tree.put("plan", plan.run_id.encode())
        head = await tree.save()
        run_id, universe = plan.run_id, plan.universe
        new = NewRun(run_id=run_id, head=head, pool=POOL, engine=ENGINE, universe=universe)
        await self._table.add(new)

    async def order(self, kind: str, run_id: str, name: str) -> None:
        if kind in ("pause", "steer"):
            order = {"action": kind, "by": "ada", "why": ""}
            if await self._table.order(run_id, name, order) is None:
                raise Refused(f"no worker executes run {run_id}")
        else:
            await (self._table.cancel(run_id) if kind == "cancel" else self._table.want(run_id))

    async def answer(self, run_id: str, wait: Step) -> None:
        """Write an answer into a run, as `Dispatch.held` does."""
        self._holding[run_id] = None
        try:
            claim = await self._table.hold(run_id, self.id)
            if isinstance(claim, NotClaimed):
                raise Refused(f"a worker executes run {run_id}")
            await self._write_answer(claim, wait)
        finally:
            self._holding.pop(run_id, None)

    async def _write_answer(self, claim: Claim, wait: Step) -> None:
        end = AttemptEnd(state=RowState.PARKED, is_undone=True)
        try:
            tree = await HeadTree.load(self._blobs, claim.head)
            await tree.put(f"answers/{wait.names[0]}", b"yes")
            head = await tree.save()
            if wait.kind == "gate":
                await self._table.want(claim.run_id)
            claim = await self._table.commit(claim, head)
            end = AttemptEnd(state=RowState.QUEUED, yields=True)
            if wait.kind == "timer":
                wake_at = await self._table.now() + wait.seconds
                timer = Reason(ReasonKind.TIMER)
                end = AttemptEnd(state=RowState.PARKED, reason=timer, wake_at=wake_at)
        finally:
            await self._table.end(claim, end)

    async def _beat(self) -> None:
        row = _worker(self.id)
        undone = AttemptEnd(state=RowState.PARKED, is_undone=True)
        while True:
            known = dict(self._holding)
            with suppress(AttractorError):
                await self._table.beat(row)
                for run in await self._table.owned(self.id):
                    if run.run_id not in known and run.run_id not in self._holding:
                        await self._table.end(Claim.of(run), undone)
            await self.machine.wait(BEAT_S)

    async def _remove_blobs(self) -> None:
        while True:
            await self.machine.wait(7.0)
            with suppress(AttractorError):
                rows = await self._table.runs()
                await heads.sweep_blobs(self._blobs, [run.head for run in rows], KEEP_S)


def _worker(name: str) -> Worker:
    where: dict[str, Any] = {"pool": POOL, "engine": ENGINE, "slots": SLOTS, "labels": ()}
    return Worker(id=name, name=name, began=0.0, beat=0.0, **where)
