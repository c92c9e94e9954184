"""Runs that wait, and worlds where nothing happens, cost a fleet nothing."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from attractor.fleet.database.schema import RUNS
from attractor.fleet.records import RowState
from tests.cli.running import attractor
from tests.counts import IS_FULL, count
from tests.fleet.living import LivingFleet, living
from tests.fleet.postgres import Cluster
from tests.fleet.runs import ASKS, ProjectInFleet
from tests.patience import until, wait_until

REAL, ALL = count(ci=5, full=100), count(ci=100, full=10_000)
UNIVERSES, WORLDS = count(ci=5, full=200), count(ci=20, full=2000)
WATCH_S = count(ci=3.0, full=10.0)
SPARE = 5


@dataclass(frozen=True)
class Cost:
    """What the processes of a fleet take of a machine; a connection is an open file."""

    processes: int
    threads: int
    files: int


@pytest.mark.crash
def test_runs_and_worlds_at_rest_take_no_process_thread_or_connection(
    tmp_path: Path, cluster: Cluster
) -> None:
    url = cluster.new_database()
    with living(tmp_path, ASKS, database=url) as fleet:
        fleet.start_server()
        fleet.start_worker("--slots", "2")
        wait_until(lambda: fleet.id_of(fleet.workers[0]) != "", fleet.logs)
        asyncio.run(begin(fleet))
        before = highest_cost(fleet)
        asyncio.run(park(fleet))
        few = seconds_of_lists(fleet)
        asyncio.run(copy(fleet))
        many = seconds_of_lists(fleet)
        after = highest_cost(fleet)
        assert after.processes == before.processes
        # The pools of threads and connections are not always full before.
        assert after.threads <= before.threads + SPARE
        assert after.files <= before.files + SPARE
        assert many <= 2 * few or not IS_FULL, (few, many)


async def begin(fleet: LivingFleet) -> None:
    """Let a worker execute a run until it asks, so that all it needs is loaded."""
    async with fleet.open() as opened:
        await ProjectInFleet(opened, fleet.project).submit()

        async def has_parked() -> bool:
            return bool(await opened.table.runs(states=(RowState.PARKED,)))

        await until(has_parked, fleet.logs)


async def park(fleet: LivingFleet) -> None:
    """Add worlds of many universes, and runs that wait for an answer."""
    async with fleet.open() as opened:
        for number in range(UNIVERSES):
            await opened.table.add_universe(f"u{number}")
        for number in range(WORLDS):
            await opened.table.assign(f"world-{number}", f"u{number % UNIVERSES}", f"w{number}")
        # In a pool without a worker, or it would take them before they ask.
        await ProjectInFleet(opened, fleet.project).park_many(REAL - 1, pool="quiet")


async def copy(fleet: LivingFleet) -> None:
    """Add copies of the rows and heads of parked runs, as those of a project that is elsewhere."""

    def work(connection: sa.Connection, _: float) -> None:
        real = connection.execute(sa.select(RUNS)).mappings().all()
        copies = [
            {**real[number % REAL], "run_id": f"copy-{number}", "project": "elsewhere"}
            for number in range(ALL - REAL)
        ]
        connection.execute(sa.insert(RUNS), copies)

    async with fleet.open() as opened:
        await opened.database.transact(work)
        assert len(await opened.table.runs(states=(RowState.PARKED,))) == ALL
        assert not await opened.table.runs(states=(RowState.RUNNING,))


def seconds_of_lists(fleet: LivingFleet) -> float:
    """Return the shortest time of the commands that list runs and explain one of them."""
    run_id = next(one.name for one in (fleet.project / "runs").glob("0*"))
    seconds: list[float] = []
    for _ in range(5):
        began = time.monotonic()
        for words in (("queue",), ("why", run_id)):
            done = attractor("fleet", *words, folder=fleet.project, variables=fleet.environ)
            assert done.returncode == 0, done.stderr
        seconds.append(time.monotonic() - began)
    return min(seconds)


def highest_cost(fleet: LivingFleet) -> Cost:
    """Return the highest cost of the server, the worker and their children in some seconds."""
    roots = [one.pid for one in (*fleet.workers, fleet.server) if one]
    costs: list[Cost] = []
    end = time.monotonic() + WATCH_S
    while time.monotonic() < end:
        costs.append(cost_of(roots))
        time.sleep(0.1)
    return Cost(*(max(getattr(one, name) for one in costs) for name in Cost.__annotations__))


def cost_of(roots: list[int]) -> Cost:
    """Return the present cost of some processes and their children."""
    pids = [*roots]
    for pid in pids:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
    return Cost(len(pids), count_in(pids, "task"), count_in(pids, "fd"))


def count_in(pids: list[int], kind: str) -> int:
    """Count the entries of a folder of each process."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += sum(1 for _ in Path(f"/proc/{pid}/{kind}").iterdir())
    return total
