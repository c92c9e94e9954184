"""After a kill of a busy worker, the next stage begins elsewhere within seconds."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.fleet.database.table import SqlTable
from attractor.fleet.records import FleetRun
from tests.counts import count
from tests.fleet.living import LivingFleet, living
from tests.fleet.test_moves import chain
from tests.patience import until

KILLS = count(ci=2, full=50)
RUNS = 2
"""Each loses one worker after the other, while those of the others die too."""

LONGEST_S = count(ci=30.0, full=10.0)
"""Beside other tests, processes start slowly."""


@pytest.mark.crash
def test_next_stage_begins_soon_after_a_kill(tmp_path: Path) -> None:
    with living(tmp_path, chain(4 * KILLS // RUNS + 4)) as fleet:
        runs = [fleet.begin("--sandbox", "none") for _ in range(RUNS)]
        for _ in range(2 * RUNS):
            fleet.start_worker("--slots", "1")
        late: list[float] = []
        for run_id, killed in zip(runs, asyncio.run(kill_owners(fleet, runs)), strict=True):
            fleet.wait(run_id, "evaluating")
            late += (seconds_to_next_stage(fleet, run_id, at) for at in killed)
            assert len({*fleet.stages(run_id)}) == len(fleet.stages(run_id))
        late.sort()
        sys.stderr.write(
            f"kill to next stage: median {late[len(late) // 2]:.1f} s, slowest {late[-1]:.1f} s\n"
        )
        assert len(late) == KILLS
        assert late[-1] < LONGEST_S, late


async def kill_owners(fleet: LivingFleet, runs: Sequence[str]) -> Sequence[Sequence[datetime]]:
    """Kill the owners of all runs at the same time, again and again; return the times by run."""
    async with fleet.open() as opened:
        return await asyncio.gather(
            *(kill_owners_of(fleet, opened.table, run_id) for run_id in runs)
        )


async def kill_owners_of(fleet: LivingFleet, table: SqlTable, run_id: str) -> Sequence[datetime]:
    """Kill each owner of a run after its first commit, and start another worker."""
    killed: list[datetime] = []
    last: FleetRun | None = None

    async def has_committed() -> bool:
        nonlocal last
        run = await table.run(run_id)
        assert run
        is_next = last is None or run.epoch > last.epoch
        if not (is_next and run.owner and run.seq > (last.seq if last else 0)):
            return False
        last = run
        return True

    for _ in range(KILLS // RUNS):
        await until(has_committed, fleet.logs)
        assert last
        [worker] = [one for one in fleet.workers if fleet.id_of(one) == last.owner]
        fleet.kill(worker)
        killed.append(datetime.now(UTC))
        fleet.start_worker("--slots", "1")
    return killed


def seconds_to_next_stage(fleet: LivingFleet, run_id: str, killed: datetime) -> float:
    """Return the seconds from a kill to the first stage of the next owner."""
    events = fleet.events(run_id)
    resumed = next(
        at
        for at, one in enumerate(events)
        if one["type"] == "RunResumed" and datetime.fromisoformat(one["time"]) > killed
    )
    started = next(one for one in events[resumed:] if one["type"] == "StageStarted")
    return (datetime.fromisoformat(started["time"]) - killed).total_seconds()
