"""A roll-out: workers of another version come, and the old ones are drained in mid-stage."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest

from attractor import __version__
from attractor.fleet.fleet import Fleet
from attractor.fleet.records import ReasonKind, RowState
from attractor.fleet.views.overview import explain
from tests.counts import count
from tests.fleet.living import LivingFleet, living
from tests.fleet.runs import ProjectInFleet
from tests.patience import until

RUNS, NEW_RUNS = count(ci=6, full=40), count(ci=2, full=10)
NEWER = "99.0.0"
NODES = [f"s{number}" for number in range(5)]
LONG_S = 300.0


def pipeline_of(folder: Path) -> str:
    """Return a pipeline whose stages leave marks; those of odd numbers wait for files."""
    lines = ["start [shape=Mdiamond]; done [shape=Msquare]"]
    for number, name in enumerate(NODES):
        waits = f"until test -e {folder}/go-{name}; do sleep 0.1; done; " if number % 2 else ""
        command = f"echo {name} >> steps.txt; echo {name} >> {folder}/marks; {waits}true"
        lines.append(f'{name} [shape=parallelogram, tool_command="{command}"]')
    return "\n".join(["digraph rolls {", *lines, " -> ".join(["start", *NODES, "done"]), "}"])


@pytest.mark.crash
def test_no_stage_runs_twice_and_no_run_changes_its_version(tmp_path: Path) -> None:
    with living(tmp_path, pipeline_of(tmp_path)) as fleet:
        versions = asyncio.run(roll_out(fleet))
        marks = Counter((tmp_path / "marks").read_text().split())
        assert marks == dict.fromkeys(NODES, RUNS + NEW_RUNS)
        for run_id in versions:
            started = [one["node"] for one in fleet.events(run_id) if one["type"] == "StageStarted"]
            assert started == ["start", *NODES] == [*fleet.stages(run_id)]


async def roll_out(fleet: LivingFleet) -> Mapping[str, str]:
    """Drain all old workers while runs are in their stages; return the version of each run."""
    marks, newer = fleet.folder / "marks", fleet.of_version(NEWER)
    async with fleet.open() as opened:
        old = [await ProjectInFleet(opened, fleet.project).submit() for _ in range(RUNS)]
        first = fleet.start_worker("--slots", f"{RUNS // 2}")

        async def are_marked(name: str, number: int) -> bool:
            return marks.exists() and marks.read_text().split().count(name) >= number

        await until(lambda: are_marked("s1", RUNS // 2), fleet.logs, LONG_S)
        second = fleet.start_worker("--slots", f"{RUNS}")
        await until(lambda: are_marked("s1", RUNS), fleet.logs, LONG_S)
        project = ProjectInFleet(opened, fleet.project, NEWER)
        new = [await project.submit() for _ in range(NEW_RUNS)]
        fourth = newer.start_worker("--slots", f"{RUNS}")
        await until(lambda: are_marked("s1", RUNS + NEW_RUNS), fleet.logs, LONG_S)
        # The runs of the first worker move to the second one.
        first.terminate()
        await are_draining(opened, {fleet.id_of(first)})
        (fleet.folder / "go-s1").touch()
        assert await asyncio.to_thread(first.wait, LONG_S) == 0, fleet.logs()
        await until(lambda: are_marked("s3", RUNS + NEW_RUNS), fleet.logs, LONG_S)
        # Those of the second one wait for a worker of their version.
        second.terminate()
        await are_draining(opened, {fleet.id_of(second)})
        (fleet.folder / "go-s3").touch()
        assert await asyncio.to_thread(second.wait, LONG_S) == 0, fleet.logs()
        await until(lambda: have_ended(opened, new), fleet.logs, LONG_S)
        waiting = await explain(opened, await opened.table.runs(states=(RowState.QUEUED,)))
        assert sorted(one.run.run_id for one in waiting) == sorted(old)
        assert {(one.reason and one.reason.kind, one.command) for one in waiting} == {
            (ReasonKind.NO_WORKER, "attractor worker --pool agents")
        }
        third = fleet.start_worker("--slots", f"{RUNS}")
        await until(lambda: have_ended(opened, old), fleet.logs, LONG_S)
        versions = {**dict.fromkeys(old, __version__), **dict.fromkeys(new, NEWER)}
        workers = {fleet.id_of(one): __version__ for one in (first, second, third)}
        workers[fleet.id_of(fourth)] = NEWER
        for run_id, version in versions.items():
            run = await project.dispatch.sync(run_id)
            owners = [one.worker for one in await opened.table.attempts(run_id)]
            assert {run.engine, *(workers[owner] for owner in owners)} == {version}
        return versions


async def are_draining(fleet: Fleet, workers: Collection[str]) -> None:
    """Wait until workers take nothing new."""

    async def drain() -> bool:
        known = {one.id: one for one in await fleet.table.workers()}
        return all(known[name].is_draining for name in workers)

    await until(drain, str)


async def have_ended(fleet: Fleet, runs: Sequence[str]) -> bool:
    """Return whether all of some runs have ended."""
    ended = {run.run_id for run in await fleet.table.runs(states=(RowState.ENDED,))}
    return ended.issuperset(runs)
