"""The limits of a pool, watched from outside while workers of two versions share it."""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from attractor import __version__
from attractor.fleet.decisions import is_holder, share_of
from attractor.fleet.fleet import Fleet
from attractor.fleet.records import Pool, RowState
from tests.counts import IS_FULL, count
from tests.fleet.living import LivingFleet, living
from tests.fleet.runs import ProjectInFleet
from tests.patience import until
from tests.pipeline.projects import make_project

RUNS, UNIVERSES, WORKERS = count(ci=12, full=300), count(ci=4, full=20), count(ci=2, full=4)
STAGES, STAGE_S = count(ci=2, full=3), count(ci=0.5, full=10.0)
POOL = Pool("agents", count(ci=4, full=20), 0.25)
NEWER = "99.0.0"
SHARE = share_of(POOL)
IDEAL_S = RUNS * STAGES * STAGE_S / POOL.concurrency
LONGEST_S = 60 + 2 * IDEAL_S
LATE = 1.15


def pipeline_of(universe: str, marks: Path) -> str:
    """Return a pipeline whose stages note their begin and their end, with the time."""
    nodes = [f"s{number}" for number in range(STAGES)]
    note = f"echo $(date +%s.%N) SIGN{universe} >> {marks}"
    begin, end = note.replace("SIGN", "+"), note.replace("SIGN", "-")
    lines = [
        f'{name} [shape=parallelogram, tool_command="{begin}; sleep {STAGE_S}; {end}"]'
        for name in nodes
    ]
    edges = " -> ".join(["start", *nodes, "done"])
    ends = "start [shape=Mdiamond]; done [shape=Msquare]"
    return "\n".join(["digraph busy {", ends, *lines, edges, "}"])


@pytest.mark.crash
def test_limits_hold_at_each_event_and_keep_no_slot_idle(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    with living(tmp_path, "digraph none {}") as fleet:
        seen = asyncio.run(fill(fleet, marks))
    assert max(sum(one.values()) for one in seen) <= POOL.concurrency
    assert max(number for one in seen for number in one.values()) <= SHARE
    signs = [line.split() for line in marks.read_text().splitlines()]
    running = Counter[str]()
    for _, sign in signs:
        running[sign[1:]] += 1 if sign[0] == "+" else -1
        assert running.total() <= POOL.concurrency
        assert running[sign[1:]] <= SHARE
    assert len(signs) == 2 * RUNS * STAGES
    seconds = float(signs[-1][0]) - float(signs[0][0])
    sys.stderr.write(f"{RUNS} runs took {seconds:.1f} s, ideal: {IDEAL_S:.1f} s\n")
    assert seconds <= LATE * IDEAL_S or not IS_FULL


async def fill(fleet: LivingFleet, marks: Path) -> Sequence[Mapping[str, int]]:
    """Let runs of many universes pass the pool; return the runs that were seen at work."""
    newer, seen = fleet.of_version(NEWER), list[Mapping[str, int]]()
    async with fleet.open() as opened:
        await opened.table.set_pool(POOL)
        for number in range(UNIVERSES):
            await submit_all(opened, fleet.folder / f"u{number}", number, marks)
        for number in range(WORKERS):
            slots = ("--slots", f"{POOL.concurrency * 2 // WORKERS}")
            (newer if number % 2 else fleet).start_worker(*slots)

        async def have_ended() -> bool:
            runs = await opened.table.runs(states=(RowState.RUNNING,))
            seen.append(Counter(run.universe for run in runs if not is_holder(run.owner)))
            states = (RowState.QUEUED, RowState.RUNNING, RowState.PARKED)
            return bool(runs) is False and not await opened.table.runs(states=states, limit=1)

        await until(have_ended, fleet.logs, LONGEST_S)
    return seen


async def submit_all(fleet: Fleet, folder: Path, number: int, marks: Path) -> None:
    """Begin the runs of a universe: of both versions, with one of three priorities."""
    universe = folder.name
    await fleet.table.add_universe(universe)
    project = make_project(folder, pipeline_of(universe, marks))
    for run in range(RUNS // UNIVERSES):
        version = NEWER if run % 2 else __version__
        priority = 100 * (1 + (number + run) % 3)
        world = ProjectInFleet(fleet, project, version)
        await world.submit(universe=universe, priority=priority)
