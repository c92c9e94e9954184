"""A worker in virtual time whose database, processes or replies are slow."""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from attractor.base.errors import FileError
from attractor.base.json import JsonObject
from attractor.fleet.decisions import BEAT_S
from attractor.fleet.errors import DatabaseAway
from attractor.fleet.records import EVALUATE, Claim, FleetRun, NewRun, ReasonKind, RowState, Worker
from attractor.fleet.seams import AttemptGone, AttemptSign, KeepAsked, Table
from attractor.fleet.workers.worker import ALONE_S, RunWorker, end_of
from tests.fleet.simulation.model import ModelTable
from tests.fleet.simulation.virtual import Machine, VirtualLoop
from tests.tables import table


class SlowTable(ModelTable):
    """A table whose beats and looks may take long."""

    beat_s = owned_s = 0.0

    async def beat(self, worker: Worker) -> Worker:
        await asyncio.sleep(self.beat_s)
        if self.beat_s > ALONE_S:
            raise DatabaseAway("no answer")
        return await super().beat(worker)

    async def owned(self, worker: str) -> list[FleetRun]:
        found = [*await super().owned(worker)]
        await asyncio.sleep(self.owned_s)
        return found


class Process:
    """A process that works until it is killed, and takes a time for its end."""

    def __init__(self, kill_s: float) -> None:
        self.kill_s, self.killed_at, self.gone = kill_s, 0.0, asyncio.Event()
        self.killed_for, self.is_set_aside = "", False
        self.asks, self.stored = asyncio.Event(), asyncio.Event()
        self.carried_out: tuple[str, ...] = ()

    async def next(self) -> AttemptSign:
        waiting = [asyncio.create_task(one.wait()) for one in (self.asks, self.gone)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return AttemptGone(-9) if self.gone.is_set() else KeepAsked(1)

    async def save(self) -> str:
        await self.stored.wait()
        if self.is_set_aside:
            raise FileNotFoundError(2, "No such file or directory")
        return "without files"

    async def cancel(self) -> None:
        raise FileError("no space left")

    async def kill(self, why: str) -> None:
        self.killed_at, self.killed_for = asyncio.get_running_loop().time(), why
        await asyncio.sleep(self.kill_s)
        self.gone.set()

    async def close(self) -> None:
        assert self.gone.is_set()


class Bench:
    """A worker with one process after the other."""

    def __init__(self, kill_s: float = 0.0) -> None:
        self.table = SlowTable(asyncio.get_running_loop().time)
        self.processes: list[Process] = []
        self.kill_s = kill_s
        row = Worker(
            id="w", name="w", pool="p", engine="1", slots=2, labels=(), began=0.0, beat=0.0
        )
        self.worker = RunWorker(
            row, cast("Table", self.table), cast("Any", self.begin), Machine("w")
        )
        self.tasks = [asyncio.create_task(self.worker.beat_until(lambda: False))]

    async def begin(self, run: FleetRun, claim: Claim) -> Process:
        self.processes.append(Process(self.kill_s))
        return self.processes[-1]

    async def run(self, pool: str = "p") -> None:
        await self.table.add(NewRun(run_id="r", head="", pool=pool, engine="1"))
        self.execute(1)
        await asyncio.sleep(0.5)

    def execute(self, attempt: int) -> None:
        self.tasks.append(asyncio.create_task(self.worker.execute("r", attempt)))


def in_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    loop = VirtualLoop()
    try:
        loop.run_until_complete(loop.create_task(work))
    finally:
        loop.abandon()


def test_worker_without_an_answer_ends_its_stages_before_others_take_them() -> None:
    async def happen() -> None:
        bench = Bench()
        await bench.run()
        bench.table.beat_s = 12.0
        await asyncio.sleep(8.0)
        assert ALONE_S < bench.processes[0].killed_at < 2 * BEAT_S + ALONE_S

    in_virtual_time(happen())


@table("is_draining", [False, True])
def test_worker_without_beats_keeps_an_attempt_until_its_next_beat(is_draining: bool) -> None:
    async def happen() -> None:
        bench = Bench()
        bench.table.beat_s = 12.0
        await asyncio.sleep(5.0)
        bench.table.beat_s = 0.0
        await bench.run()
        assert (bench.worker.is_alone, bench.tasks[-1].done()) == (True, False)
        bench.worker.drains = is_draining
        await asyncio.sleep(1.0)
        assert bench.tasks[-1].done() == is_draining
        await asyncio.sleep(12.0)
        assert bench.table.rows["r"].owner == ("" if is_draining else "w")

    in_virtual_time(happen())


def test_worker_that_cannot_tell_a_process_ends_it_and_beats_on() -> None:
    async def happen() -> None:
        bench = Bench()
        await bench.run()
        await bench.table.cancel("r")
        await asyncio.sleep(5.0)
        assert bench.processes[0].killed_at
        assert bench.table.is_alive("w")
        run = await bench.table.run("r")
        assert run
        assert run.state is RowState.ENDED

    in_virtual_time(happen())


def test_worker_ends_the_process_of_canceled_trials_at_once() -> None:
    async def happen() -> None:
        bench = Bench()
        await bench.run(EVALUATE)
        await bench.table.cancel("r")
        await asyncio.sleep(5.0)
        assert bench.processes[0].killed_for == "canceled"
        assert bench.table.rows["r"].state is RowState.ENDED

    in_virtual_time(happen())


@table("is_set_aside", [False, True])
def test_attempt_that_is_ended_while_its_files_are_stored_commits_nothing(
    is_set_aside: bool,
) -> None:
    async def happen() -> None:
        bench = Bench()
        await bench.run()
        [process] = bench.processes
        process.is_set_aside = is_set_aside
        process.asks.set()
        await asyncio.sleep(0.5)
        kill = asyncio.create_task(bench.worker.end_all("the worker was ended"))
        await asyncio.sleep(0.5)
        process.stored.set()
        await kill
        await asyncio.sleep(2.0)
        run = await bench.table.run("r")
        assert run
        assert (run.seq, run.head) == (0, "")
        # Another worker continues it, without a person.
        assert (run.state, run.reason) == (RowState.QUEUED, None)

    in_virtual_time(happen())


def test_worker_beats_while_a_process_ends() -> None:
    async def happen() -> None:
        bench = Bench(kill_s=10.0)
        await bench.run()
        await bench.table.leave("w")
        await bench.table.sweep("s")
        for _ in range(5):
            await asyncio.sleep(2.0)
            assert bench.table.is_alive("w")
        assert bench.processes[0].killed_at
        # The next attempt is not executed beside the one that ends.
        bench.execute(2)
        await asyncio.sleep(0.1)
        assert len(bench.processes) == 1
        assert bench.table.rows["r"].owner == ""

    in_virtual_time(happen())


def test_run_that_was_claimed_after_the_look_is_left_alone() -> None:
    async def happen() -> None:
        bench = Bench()
        bench.table.owned_s = 2.0
        await asyncio.sleep(1.5)
        await bench.run()
        await asyncio.sleep(6.0)
        run = bench.table.rows["r"]
        assert (run.state, run.attempt, run.lost) == (RowState.RUNNING, 1, 0)
        assert not bench.processes[0].killed_at

    in_virtual_time(happen())


def test_worker_gives_back_a_claim_that_it_never_heard_of() -> None:
    async def happen() -> None:
        bench = Bench()
        await bench.table.add(NewRun(run_id="r", head="", pool="p", engine="1"))
        await bench.table.claim("r", 1, "w")
        await asyncio.sleep(2 * BEAT_S)
        run = bench.table.rows["r"]
        assert (run.state, run.owner, run.attempt) == (RowState.QUEUED, "", 2)

    in_virtual_time(happen())


def ended(status: str, reason: str = "", phase: str = "", **more: Any) -> JsonObject:
    record: dict[str, Any] = {"status": status, "phase": phase, "reason": reason, "outcome": ""}
    return {**record, **more}


@table(
    ("report", "state", "reason", "wake_at"),
    [
        (ended("evaluating"), RowState.ENDED, None, 0.0),
        (ended("failed", "node a failed"), RowState.ENDED, None, 0.0),
        (ended("awaiting_human", phase="stage"), RowState.PARKED, ReasonKind.HUMAN, 0.0),
        (
            ended("executing", "the budget max_tokens is exhausted: 2 of 1"),
            RowState.PARKED,
            ReasonKind.BUDGET,
            0.0,
        ),
        (ended("executing", "stage a: no key"), RowState.PARKED, ReasonKind.PAUSED, 0.0),
        (
            ended("waiting", "a limit", wait="limit", wait_s=30),
            RowState.PARKED,
            ReasonKind.LIMIT,
            130.0,
        ),
        (
            ended("waiting", "till 8", wait="timer", wait_s=5),
            RowState.PARKED,
            ReasonKind.TIMER,
            105.0,
        ),
        ({"error": "no git", "exit_code": 3}, RowState.PARKED, ReasonKind.PAUSED, 0.0),
    ],
)
def test_end_of_an_attempt_follows_from_its_report(
    report: JsonObject, state: RowState, reason: ReasonKind | None, wake_at: float
) -> None:
    end = end_of(report, 100.0)
    assert (end.state, end.reason and end.reason.kind, end.wake_at) == (state, reason, wake_at)
