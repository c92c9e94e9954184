"""Runs begin in the order that `fleet queue` and `fleet why` say, whatever their attempts meet."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import pytest

from attractor.base.clock import SystemClock
from attractor.fleet.database.queue import VERSION, Listener
from attractor.fleet.database.table import SqlTable
from attractor.fleet.errors import DatabaseAway
from attractor.fleet.records import (
    AttemptEnd,
    Claim,
    FleetRun,
    NewRun,
    Reason,
    ReasonKind,
    RowState,
    Worker,
    queue_name,
)
from attractor.fleet.seams import AttemptEnded, AttemptGone, AttemptSign
from attractor.fleet.workers import worker as workers
from attractor.fleet.workers.worker import RunWorker
from tests.counts import count
from tests.fleet.postgres import Cluster
from tests.fleet.rigs import SqlRig, sql_rig
from tests.patience import until

pytestmark = pytest.mark.anyio

QUEUE = queue_name("p", "1")
STEPS = count(ci=12, full=60)
RUNS = count(ci=18, full=60)
SLOTS = 2


def a_run(run_id: str, priority: int = 100) -> NewRun:
    return NewRun(run_id=run_id, head="h", pool="p", engine="1", priority=priority)


def a_worker(name: str) -> Worker:
    return Worker(
        id=name, name=name, pool="p", engine="1", slots=SLOTS, labels=(), began=0.0, beat=0.0
    )


async def said_order(table: SqlTable) -> Sequence[str]:
    """Return the queued runs in the order that the places of the table say."""
    places = await table.places()
    order = sorted(places, key=lambda run_id: places[run_id].ahead)
    assert [places[run_id].front for run_id in order] == ["", *order][: len(order)]
    return order


class Dequeuing:
    """Takes attempts from the queue by the statement of DBOS itself."""

    def __init__(self, rig: SqlRig) -> None:
        client: Any = rig.queue._client  # pyright: ignore[reportPrivateUsage]
        self._database, self._queue = client._sys_db, client.register_queue(QUEUE)

    def take(self, most: int, worker: str) -> Sequence[str]:
        self._queue._worker_concurrency = most
        return self._database.start_queued_workflows(self._queue, worker, VERSION, None)[0]


async def test_places_are_the_order_of_the_queue(database_url: str) -> None:
    dice = random.Random(database_url.partition(":")[0])
    async with sql_rig(database_url) as rig:
        dequeuing, claims = Dequeuing(rig), dict[str, Claim]()
        for step in range(STEPS):
            for number in range(dice.randint(1, 4)):
                run_id = f"{dice.randrange(10**6)}-{step}-{number}"
                await rig.table.add(a_run(run_id, dice.choice((1, 100, 100, 100, 200))))
                # Without two in one millisecond.
                await rig.pass_time(dice.randint(1, 20) / 8)
            for run_id in dice.sample(sorted(claims), len(claims) // 2):
                await interrupt(rig, claims.pop(run_id), dice)
            if order := await said_order(rig.table):
                await hold_for_a_moment(rig, dice.choice(order))
            for claim in claims.values():
                await rig.table.beat(a_worker(claim.owner))
            await rig.table.sweep("s")
            order = await said_order(rig.table)
            taken = dequeuing.take(dice.randint(1, 3), "w")
            assert [attempt.partition(":")[0] for attempt in taken] == [*order[: len(taken)]]
            for attempt in taken:
                run_id, _, number = attempt.partition(":")
                if dice.random() < 0.6:
                    await rig.table.beat(a_worker(f"w-{run_id}"))
                    claim = await rig.table.claim(run_id, int(number), f"w-{run_id}")
                    assert isinstance(claim, Claim)
                    claims[run_id] = claim
                await rig.finish(attempt)
        await rig.table.sweep("s")
        order = await said_order(rig.table)
        assert [attempt.partition(":")[0] for attempt in dequeuing.take(10**6, "w")] == [*order]
        assert len(order) > STEPS / 2


async def interrupt(rig: SqlRig, claim: Claim, dice: random.Random) -> None:
    """End an attempt before its run has ended, in one of four ways."""
    match dice.randrange(4):
        case 0:
            await rig.table.leave(claim.owner)
        case 1:
            await rig.table.end(claim, AttemptEnd(state=RowState.QUEUED, yields=True))
        case 2:
            human = Reason(ReasonKind.HUMAN)
            await rig.table.end(claim, AttemptEnd(state=RowState.PARKED, reason=human))
            await rig.table.want(claim.run_id)
        case _:
            await rig.table.want(claim.run_id)
            await rig.table.end(claim, AttemptEnd(state=RowState.PARKED, reason=None))
    await rig.pass_time(1 / 8)


async def hold_for_a_moment(rig: SqlRig, run_id: str) -> None:
    held = await rig.table.hold(run_id, "server:s")
    assert isinstance(held, Claim)
    await rig.table.end(held, AttemptEnd(state=RowState.PARKED, is_undone=True))


@pytest.mark.parametrize("way", ["taken over", "released", "given back"])
async def test_run_in_progress_goes_ahead_of_those_that_wait(database_url: str, way: str) -> None:
    async with sql_rig(database_url) as rig:
        dequeuing = Dequeuing(rig)
        for run_id in ("z", "y", "x"):
            await rig.table.add(a_run(run_id))
            await rig.pass_time(1)
        assert dequeuing.take(1, "w") == ["z:1"]
        await rig.table.beat(a_worker("w"))
        claim = await rig.table.claim("z", 1, "w")
        assert isinstance(claim, Claim)
        if way == "released":
            await rig.table.end(claim, AttemptEnd(state=RowState.QUEUED, yields=True))
        else:
            await rig.table.leave("w")
            await rig.table.sweep("s")
        if way == "given back":
            await rig.table.hold("z", "server:gone")
            await rig.table.sweep("s")
        else:
            # The next attempt is lost before its claim, as in an outage.
            assert dequeuing.take(1, "w") == ["z:2"]
            await rig.finish("z:2")
            await rig.table.sweep("s")
        assert await said_order(rig.table) == ["z", "y", "x"]
        assert dequeuing.take(9, "w") == ["z:3" if way != "given back" else "z:4", "y:1", "x:1"]


class LateTable(SqlTable):
    """A table whose beats fail for longer than its queue."""

    is_away = False

    async def beat(self, worker: Worker) -> Worker:
        if self.is_away:
            raise DatabaseAway("no answer")
        return await super().beat(worker)


class Stage:
    """A process that works for a moment."""

    carried_out = ()

    def __init__(self) -> None:
        self._killed = asyncio.Event()

    async def next(self) -> AttemptSign:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._killed.wait(), 0.1)
            return AttemptGone(-9)
        return AttemptEnded({"status": "evaluating", "phase": "", "reason": ""})

    async def save(self) -> str:
        return "h"

    async def kill(self, why: str) -> None:
        self._killed.set()

    async def close(self) -> None:
        """Nothing was laid out."""


@pytest.mark.crash
async def test_runs_begin_in_their_order_over_an_outage(
    database_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "BEAT_S", 0.1)
    monkeypatch.setattr(workers, "ALONE_S", 0.4)
    names = [f"r{number}" for number in range(RUNS)]
    random.Random(RUNS).shuffle(names)
    begun = list[str]()

    async def begin(run: FleetRun, claim: Claim) -> Stage:
        begun.append(run.run_id)
        return Stage()

    async def sweep() -> None:
        while True:
            with suppress(DatabaseAway):
                await table.sweep("s")
            await asyncio.sleep(0.1)

    async with sql_rig(database_url) as rig:
        table = LateTable(rig.database, rig.queue)
        for run_id in names:
            await table.add(a_run(run_id))
        assert await said_order(table) == names
        worker = RunWorker(a_worker("w"), cast("Any", table), cast("Any", begin), SystemClock())
        tasks = [
            asyncio.create_task(worker.beat_until(lambda: False)),
            asyncio.create_task(sweep()),
        ]
        listener = Listener(
            rig.database, worker="w", queues=[QUEUE], slots=SLOTS, execute=worker.execute
        )
        await listener.start()
        try:
            await until(lambda: len(begun) > SLOTS)
            table.is_away = True
            # Those that begin now, and those that the worker has taken but not claimed.
            in_progress = len(begun) + SLOTS
            if database_url.startswith("postgresql"):
                cluster: Cluster = request.getfixturevalue("cluster")
                with cluster.stopped():
                    await asyncio.sleep(0.2)
            await until(lambda: worker.is_alone)
            await asyncio.sleep(0.4)
            table.is_away = False
            await until(lambda: len({*begun}) == RUNS)
        finally:
            for task in tasks:
                task.cancel()
            await listener.close(0)
    waiting = names[in_progress:]
    first_begins = [run_id for run_id in dict.fromkeys(begun) if run_id in waiting]
    # Attempts that are taken together begin at the same time.
    assert all(abs(first_begins.index(run) - waiting.index(run)) < SLOTS for run in waiting)
