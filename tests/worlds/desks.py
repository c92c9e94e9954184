"""A project with actors whose processes are real, and whose runs are simulated."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attractor.base.locks import FileLock, holder_of
from tests.cli.plain_desk import Desk, PlainDesk
from tests.cli.running import run_here
from tests.patience import wait_until

SLOW = """digraph slow {
  start [shape=Mdiamond]; done [shape=Msquare]
  nap [shape=parallelogram, tool_command="test -e ../again || { touch ../again; sleep 60; }"]
  start -> nap -> done
}
"""
SPAWN = (
    *("actor", "spawn", "--with", "simulate", "--sandbox", "none", "--in", "in-place"),
    *("--pipeline", "pipeline.dot"),
)


class PlacedDesk(PlainDesk):
    """A desk whose project does not contain the state folder."""

    @property
    def place(self) -> Path:
        return self.folder / "project"

    def type(self, typed: str, *words: str) -> str:
        done = run_here(words, folder=self.place, variables=self.environ, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self) -> list[dict[str, Any]]:
        return json.loads(self.do("attention", "--json").stdout)

    def actors(self) -> list[dict[str, Any]]:
        return json.loads(self.do("actor", "list", "--json").stdout)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PlacedDesk]:
    (tmp_path / "project").mkdir()
    desk = PlacedDesk(tmp_path)
    yield desk
    for actor in desk.actors():
        desk.do("actor", "stop", actor["name"])


def kill_process(desk: Desk, name: str) -> None:
    """Kill the process of an actor, and wait until the kernel has released its lock."""
    [lock] = (desk.folder / "state").glob(f"projects/*/actors/{name}/lock")
    holder = holder_of(lock)
    assert holder
    os.kill(holder.pid, signal.SIGKILL)
    wait_until(lambda: not FileLock.is_held(lock))
