"""After a kill of a busy worker, the next stage begins elsewhere within seconds."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.counts import count
from tests.fleet.living import LivingFleet, living, wait_until
from tests.fleet.test_moves import chain

KILLS = count(ci=2, full=50)
LONGEST_S = count(ci=30.0, full=10.0)
"""Beside other tests, processes start slowly."""


@pytest.mark.crash
def test_next_stage_begins_soon_after_a_kill(tmp_path: Path) -> None:
    with living(tmp_path, chain(4 * KILLS + 4)) as fleet:
        run_id = fleet.begin("--sandbox", "none")
        for _ in range(2):
            fleet.start_worker("--slots", "1")
        killed: list[datetime] = []
        for _ in range(KILLS):
            await_commit(fleet, run_id, epoch=len(killed) + 1)
            kill_owner(fleet, run_id)
            killed.append(datetime.now(UTC))
            fleet.start_worker("--slots", "1")
        fleet.wait(run_id, "evaluating")
        late = sorted(seconds_to_next_stage(fleet, run_id, at) for at in killed)
        sys.stderr.write(
            f"kill to next stage: median {late[len(late) // 2]:.1f} s, slowest {late[-1]:.1f} s\n"
        )
        assert late[-1] < LONGEST_S, late
        assert len({*fleet.stages(run_id)}) == len(fleet.stages(run_id))


def await_commit(fleet: LivingFleet, run_id: str, *, epoch: int) -> None:
    """Wait until the owner of an epoch commits a stage."""
    wait_until(lambda: fleet.row(run_id).epoch >= epoch, fleet.logs)
    seq = fleet.row(run_id).seq
    wait_until(lambda: fleet.row(run_id).seq > seq, fleet.logs)


def kill_owner(fleet: LivingFleet, run_id: str) -> None:
    """Kill the worker that owns a run."""
    owner = fleet.row(run_id).owner
    for number, worker in enumerate(fleet.workers):
        log = fleet.folder / f"worker-{number}.log"
        if owner and owner in log.read_text() and worker.poll() is None:
            fleet.kill(worker)
            return
    raise AssertionError(f"no worker owns {run_id}: {fleet.row(run_id)}")


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
