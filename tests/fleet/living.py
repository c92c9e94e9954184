"""A fleet of real processes over one project: the command line, and workers that may be killed."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attractor
from attractor import __version__
from attractor.fleet.fleet import Addresses, Fleet, open_fleet
from attractor.fleet.records import FleetRun, RowState
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git, make_project

PROGRAM = (sys.executable, "-P", "-m", "attractor")


@dataclass
class LivingFleet:
    """A project whose runs are executed by workers, each a process with a state of its own."""

    folder: Path
    pipeline: str
    database: str = ""
    store: str = ""
    more: dict[str, str] = field(default_factory=dict[str, str])
    at_workers: dict[str, str] = field(default_factory=dict[str, str])
    at_evaluators: dict[str, str] = field(default_factory=dict[str, str])
    workers: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])
    server: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.project = make_project(self.folder / "project", self.pipeline)
        state = self.folder / "state" / "fleet"
        state.mkdir(parents=True, mode=0o700)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ATTRACTOR_STATE_DIR": str(self.folder / "state"),
            "ATTRACTOR_FLEET__URL": self.database or f"sqlite:///{state / 'fleet.sqlite'}",
            "ATTRACTOR_FLEET__STORE": self.store or str(state / "store"),
            **self.more,
        }

    def of_version(self, version: str) -> "LivingFleet":
        """Return the same fleet, with commands and workers of another version.

        Another package has all files of this one, except for the number of the version.
        """
        own, other = Path(attractor.__file__).parent, self.folder / version / attractor.__name__
        other.mkdir(parents=True)
        for path in own.iterdir():
            if path.name not in ("__init__.py", "__pycache__"):
                (other / path.name).symlink_to(path)
        text = (own / "__init__.py").read_text()
        (other / "__init__.py").write_text(text.replace(f'"{__version__}"', f'"{version}"'))
        fleet = copy(self)
        fleet.environ = {**self.environ, "PYTHONPATH": str(other.parent)}
        return fleet

    def attractor(self, *words: str, code: int = 0) -> str:
        """Type a command; return its output."""
        done = subprocess.run(
            [*PROGRAM, *words],
            cwd=self.project,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def begin(self, *words: str) -> str:
        """Begin a run in the pool `agents`; return its id."""
        shown = self.attractor("run", "pipeline.dot", "--on", "agents", *words)
        return shown.split()[0]

    def machine(self, folder: Path) -> "LivingFleet":
        """Return another machine: a clone of the project, and a state folder of its own."""
        git(self.folder, "clone", "--quiet", str(self.project), str(folder / "project"))
        other = copy(self)
        other.project = folder / "project"
        other.environ = {**self.environ, "ATTRACTOR_STATE_DIR": str(folder / "state")}
        return other

    def start_worker(self, *words: str) -> subprocess.Popen[str]:
        """Start a worker, which has a state folder of its own, as on another machine."""
        state = self.folder / f"machine-{len(self.workers)}"
        more = {"ATTRACTOR_STATE_DIR": str(state), **self.at_workers}
        return self._start(self.folder, words, more)

    def start_evaluator(self) -> subprocess.Popen[str]:
        """Start a worker of the pool of evaluations, as on another machine."""
        state = self.folder / f"machine-{len(self.workers)}"
        more = {"ATTRACTOR_STATE_DIR": str(state), **self.at_evaluators}
        return self._start(self.folder, ("--pool", "evaluate"), more)

    def start_own_worker(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """Start a worker of the project of this machine."""
        return self._start(self.project, words, {**more, **self.at_workers})

    def _start(
        self, cwd: Path, words: Sequence[str], more: dict[str, str]
    ) -> subprocess.Popen[str]:
        with (self.folder / f"worker-{len(self.workers)}.log").open("w") as log:
            worker = subprocess.Popen(
                [*PROGRAM, "worker", *words],
                cwd=cwd,
                env={**self.environ, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def id_of(self, worker: subprocess.Popen[str]) -> str:
        """Return the id of a worker in its row; "" before it is ready."""
        log = self.folder / f"worker-{self.workers.index(worker)}.log"
        found = re.search(r"ready worker=(\w+)", log.read_text())
        return found[1] if found else ""

    def start_server(self) -> subprocess.Popen[str]:
        """Start a server of the project, which does its part for runs in the fleet."""
        with (self.folder / "server.log").open("a") as log:
            self.server = subprocess.Popen(
                [*PROGRAM, "serve", "--port", "0", "--workers", "0", "--json"],
                cwd=self.project,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return self.server

    def kill(self, worker: subprocess.Popen[str]) -> None:
        """Kill a worker or the server; what it started must end by itself."""
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()

    def status(self, run_id: str) -> dict[str, Any]:
        """Return the state of a run from its last committed head."""
        return json.loads(self.attractor("status", run_id, "--json"))

    def wait(self, run_id: str, *words: str) -> dict[str, Any]:
        """Wait until a run has one of some statuses."""
        found: dict[str, Any] = {}

        def is_reached() -> bool:
            found.update(self.status(run_id))
            return found["status"] in words

        wait_until(is_reached, lambda: (found, self.logs()))
        return found

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Fleet]:
        """Open the rows and the store of the fleet in this process."""
        environ = self.environ
        names = (f"ATTRACTOR_FLEET__{name}" for name in ("URL", "STORE", "SEALED_STORE"))
        where = Addresses(*(environ.get(name, "") for name in names))
        async with open_fleet(where, environ) as fleet:
            yield fleet

    def row(self, run_id: str) -> FleetRun:
        """Return the row of a run."""

        async def read() -> FleetRun | None:
            async with self.open() as fleet:
                return await fleet.table.run(run_id)

        found = asyncio.run(read())
        assert found
        return found

    def wait_parked(self, run_id: str) -> None:
        """Wait until a run waits for a person, without a process."""
        wait_until(lambda: self.row(run_id).state is RowState.PARKED, self.logs)

    def events(self, run_id: str) -> Sequence[dict[str, Any]]:
        """Return the events of the copy of a run."""
        file = self.project / "runs" / run_id / "events.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()]

    def stages(self, run_id: str) -> Sequence[str]:
        """Return the stages that were committed, in their order."""
        return [
            str(one["node"])
            for one in self.events(run_id)
            if one["type"] == "CheckpointSaved" and one["data"]["step"] is not None
        ]

    def logs(self) -> str:
        """Return what the workers and the server said."""
        files = sorted([*self.folder.glob("worker-*.log"), *self.folder.glob("server.log")])
        return "\n".join(one.read_text() for one in files)


@contextmanager
def living(folder: Path, pipeline: str, **more: Any) -> Generator[LivingFleet]:
    """Make a fleet; its workers and its server are killed at the end."""
    fleet = LivingFleet(folder, pipeline, **more)
    try:
        yield fleet
    finally:
        for process in (*fleet.workers, fleet.server):
            if process and process.poll() is None:
                fleet.kill(process)
