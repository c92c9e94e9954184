"""A project, the fleet of its state folder, and workers that exist as rows only."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from attractor import __version__
from attractor.fleet.database.schema import WORKERS
from attractor.fleet.decisions import STALE_S
from attractor.fleet.fleet import Addresses, Fleet, open_fleet
from attractor.fleet.records import AttemptEnd, Claim, FleetRun, NewRun, Worker
from attractor.fleet.store.heads import HeadTree
from tests.cli.running import attractor
from tests.fleet.rigs import SqlRig, sqlite_template as sqlite_template
from tests.pipeline.projects import make_project

LONG_S = 3000.0

_Result = TypeVar("_Result")


class FleetDesk:
    """Runs commands beside a fleet on SQLite, whose rows a test makes."""

    def __init__(self, folder: Path, template: Path, pipeline: str = "") -> None:
        self.state = folder / "state"
        self.project = make_project(folder / "project", pipeline)
        (self.state / "fleet").mkdir(parents=True)
        shutil.copy(template, self.state / "fleet" / "fleet.sqlite")

    def do(
        self, *words: str, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        variables = {"ATTRACTOR_STATE_DIR": str(self.state), **(variables or {})}
        return attractor(*words, folder=self.project, variables=variables)

    def read(self, *words: str) -> Any:
        """Return the JSON of a command that succeeds."""
        done = self.do(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def within(self, work: Callable[[Fleet], Awaitable[_Result]]) -> _Result:
        """Return the result of work with the open fleet."""

        async def opened() -> _Result:
            async with open_fleet(Addresses.of(self.state), {}) as fleet:
                return await work(fleet)

        return asyncio.run(opened())

    def add(self, run_id: str, **values: Any) -> None:
        """Add a run with a head of two files."""

        async def work(fleet: Fleet) -> None:
            tree = await HeadTree.load(await fleet.blobs_of(values.get("universe", "home")), "")
            await tree.put(f"runs/{run_id}/manifest.json", run_id.encode())
            await tree.put(f"runs/{run_id}/events.jsonl", b"all runs have this")
            new: dict[str, Any] = {"run_id": run_id, "head": await tree.save(), "pool": "p"}
            new |= {"engine": __version__, **values}
            await fleet.table.add(NewRun(**new))

        self.within(work)

    def beat(self, worker: str = "w", **values: Any) -> Worker:
        """Let a worker be alive for a long time, however slow this machine is."""
        row: dict[str, Any] = {"id": worker, "name": worker, "pool": "p", "engine": __version__}
        row |= {"slots": 2, "labels": (), "began": 0.0, "beat": 0.0, **values}
        new = Worker(**row)
        known = self.within(lambda fleet: fleet.table.beat(new))

        def outlive(connection: sa.Connection, now: float) -> None:
            worker_row = sa.update(WORKERS).where(WORKERS.c.id == new.id)
            connection.execute(worker_row.values(beat=now + LONG_S))

        self.within(lambda fleet: fleet.database.transact(outlive))
        return known

    def age_blobs(self, seconds: float) -> None:
        """Let all blobs of the store have been put earlier."""
        for path in (self.state / "fleet" / "store").rglob("*"):
            put = path.stat().st_mtime - seconds
            os.utime(path, (put, put))

    def lose_workers(self) -> None:
        """Let all workers be dead."""
        self.rig(lambda rig: rig.pass_time(LONG_S + STALE_S))

    def claim(self, run_id: str, worker: str = "w") -> object:
        """Let a worker claim the present attempt of a run."""

        async def work(fleet: Fleet) -> object:
            run = await fleet.table.run(run_id)
            assert run
            return await fleet.table.claim(run_id, run.attempt, worker)

        return self.within(work)

    def end(self, run_id: str, end: AttemptEnd, worker: str = "w") -> None:
        """Let the attempt of a run begin and end at a worker."""
        claim = self.claim(run_id, worker)
        assert isinstance(claim, Claim)
        self.within(lambda fleet: fleet.table.end(claim, end))

    def run(self, run_id: str) -> FleetRun:
        run = self.within(lambda fleet: fleet.table.run(run_id))
        assert run
        return run

    def rig(self, work: Callable[[SqlRig], Awaitable[_Result]]) -> _Result:
        """Return the result of work with the rig of the database."""

        async def opened(fleet: Fleet) -> _Result:
            rig = SqlRig(fleet.database)
            try:
                return await work(rig)
            finally:
                rig.queue.close()

        return self.within(opened)

    def why(self, run_id: str) -> tuple[str, str, str]:
        """Return the kind of the reason of a run, its words and its command."""
        reason = self.read("fleet", "why", run_id)["reason"]
        return (reason["kind"], reason["words"], reason["command"]) if reason else ("", "", "")


@pytest.fixture
def fleet_desk(tmp_path: Path, sqlite_template: Path) -> FleetDesk:
    return FleetDesk(tmp_path, sqlite_template)
