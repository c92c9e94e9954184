"""A server of a project with workers of its own, all real processes."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from attractor.base.clock import SystemClock
from attractor.base.locks import FileLock
from attractor.factory.ledger.ledger import Ledger
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.operator_process import Scope
from tests.factory.flows import make_flow
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git

PROGRAM = (sys.executable, "-P", "-m", "attractor")
GATED = """digraph linear {
  graph [goal="Make it"]
  start [shape=Mdiamond]; exit [shape=Msquare]
  ask [shape=hexagon, label="Make it?"]
  make [shape=parallelogram, tool_command="echo made > made.txt"]
  lose [shape=parallelogram, max_retries=0, tool_command="false"]
  start -> ask
  ask -> make [label="[Y] Yes"]
  ask -> lose [label="[N] No"]
  make -> exit; lose -> exit
}
"""
NOTICES = '[notify]\ncommand = "cat >> $HOME/told"\n'


@dataclass
class ServedFleet:
    """A project with a suite, its state folder, and what a server of it needs."""

    folder: Path
    project: Path
    state: Path
    secret: str
    process: subprocess.Popen[str] | None = None

    @property
    def environ(self) -> dict[str, str]:
        """The variables of all processes."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ATTRACTOR_STATE_DIR": str(self.state),
            "ATTRACTOR_WORKSPACES_DIR": str(self.folder / "shared"),
        }

    @contextmanager
    def serve(self, *words: str, code: int | None = None) -> Generator[httpx.Client]:
        """Serve in a process until the block ends: then drain it, or expect that it is dead."""
        with (self.folder / "server.log").open("a") as log:
            process = subprocess.Popen(
                [*PROGRAM, "serve", "--port", "0", "--json", *words],
                cwd=self.project,
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.process = process
        assert process.stdout
        try:
            with process.stdout as printed:
                url = json.loads(printed.readline())["url"]
                headers = {"authorization": f"Bearer {self.secret}"}
                with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S) as client:
                    yield client
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise

    def kill_server(self) -> None:
        """Kill the server; its workers and the processes of runs stay."""
        assert self.process
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def notices(self) -> Sequence[dict[str, Any]]:
        """Return the notices that people got."""
        told = self.folder / "told"
        return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []

    def flat_notices(self) -> Sequence[dict[str, Any]]:
        """Return the notices, also those that were sent together as one."""
        return [part for one in self.notices() for part in one.get("notices", [one])]

    def processes(self) -> int:
        """Return the number of living workers."""
        slots = [one for one in self.state.rglob("slot-*") if one.suffix == ""]
        return sum(FileLock.is_held(one) for one in slots if one.parent.parent.name == "workers")

    def ledger(self, run_id: str) -> Sequence[str]:
        """Return the kinds of the lines of the ledger about a run."""
        return [str(entry.kind) for entry in Ledger(self.state).entries(run_id)]

    def log(self) -> str:
        """Return what the server and its workers printed."""
        files = [self.folder / "server.log", *self.state.rglob("slot-*.log")]
        files += self.state.glob("server/processes/*.log")
        return "\n".join(f"== {one.name}\n{one.read_text()}" for one in files)

    def wait(self, client: httpx.Client, run: str, *words: str) -> dict[str, Any]:
        """Wait until a run has one of some statuses."""
        found: dict[str, Any] = {}

        def has_come() -> bool:
            found.update(client.get(f"/pipelines/{run}").json())
            return found["status"] in words

        wait_until(has_come, lambda: f"{found} {self.log()}")
        return found


def served_fleet(folder: Path) -> ServedFleet:
    """Make a project with a suite, and a token of its server."""
    flow = make_flow(folder)
    (flow.project / "pipeline.dot").write_text(GATED)
    settings = flow.project / "attractor.toml"
    text = settings.read_text() if settings.exists() else ""
    settings.write_text(f'{text}\n[backends]\ndefault = "simulate"\n{NOTICES}')
    git(flow.project, "add", "--all")
    git(flow.project, "commit", "--quiet", "--message", "Ask first")
    secret, state = secrets.token_urlsafe(32), flow.machine.state_dir
    now = SystemClock().now()
    TokenStore(state).create("ann", Scope.OPERATE, secret, by="ann", now=now)
    return ServedFleet(folder, flow.project, state, secret)
