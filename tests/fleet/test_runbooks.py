"""Every command in the runbooks of the fleet works in the situation of its page."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.fleet.records import AttemptEnd, Claim, Reason, ReasonKind, RowState
from tests import examples
from tests.cli.fleet_desk import FleetDesk
from tests.fleet.rigs import sqlite_template as sqlite_template  # a fixture
from tests.test_runbooks import OF_FLEET

PIPELINE = """digraph x { start [shape=Mdiamond]; exit [shape=Msquare]
  a [shape=parallelogram, tool_command=true]; start -> a -> exit }
"""
AWAY = '[fleet]\nurl = "postgresql://nobody@127.0.0.1:9/fleet"\n'


def lose_worker(desk: FleetDesk, run: str) -> None:
    desk.claim(run, "box-1")
    desk.lose_workers()
    repair(desk, "psql", "true")


def take_over(desk: FleetDesk, run: str) -> None:
    lose_worker(desk, run)
    desk.beat("box-2")
    desk.within(lambda fleet: fleet.table.sweep("box-2"))
    assert isinstance(desk.claim(run, "box-2"), Claim)


def lose_database(desk: FleetDesk, _run: str) -> None:
    (desk.project / "attractor.toml").write_text(AWAY)
    repair(desk, "systemctl", "rm attractor.toml")


def lose_store(desk: FleetDesk, run: str) -> None:
    claim = desk.claim(run, "box-1")
    assert isinstance(claim, Claim)
    away = Reason(ReasonKind.STORE_UNREACHABLE)
    desk.within(lambda fleet: fleet.table.set_reason(claim, away))
    store = desk.state / "fleet" / "store"
    store.rename(store.with_name("unmounted"))
    repair(desk, "mount", f"mv {store.with_name('unmounted')} {store}")


def lose_blob(desk: FleetDesk, run: str) -> None:
    store = desk.state / "fleet" / "store"
    shutil.copytree(store, desk.project / "store.backup")
    head = desk.run(run).head
    (store / "universes" / "home" / head[:2] / head[2:4] / head).unlink()
    details = {"stopped": f"no blob {head} in {store}", "damaged": head}
    stopped = Reason(ReasonKind.PAUSED, details)
    desk.end(run, AttemptEnd(state=RowState.PARKED, reason=stopped), "box-1")


def lose_nothing(_desk: FleetDesk, _run: str) -> None:
    """The server is away from the begin."""


def poison(desk: FleetDesk, run: str) -> None:
    lost = Reason(ReasonKind.POISON, {"worker": "box-1", "lost": 3})
    desk.end(run, AttemptEnd(state=RowState.PARKED, reason=lost), "box-1")


def repair(desk: FleetDesk, name: str, command: str) -> None:
    """Let a program of the system repair the situation."""
    program = desk.project.parent / "programs" / name
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{command}\n")
    program.chmod(0o755)


SITUATIONS: list[Callable[[FleetDesk, str], None]] = [
    lose_worker,
    take_over,
    lose_database,
    lose_store,
    lose_blob,
    lose_nothing,
    poison,
]


@pytest.mark.parametrize(
    ("page", "make"), [*zip(OF_FLEET, SITUATIONS, strict=True)], ids=[one.stem for one in OF_FLEET]
)
def test_every_command_of_a_page_works(
    tmp_path: Path, sqlite_template: Path, page: Path, make: Callable[[FleetDesk, str], None]
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    begun = desk.do("run", "pipeline.dot", "--on", "p")
    assert begun.returncode == 0, begun.stderr
    desk.beat("box-1")
    make(desk, begun.stdout.strip())
    path = f"{tmp_path / 'programs'}:{examples.path_of_programs()}"
    examples.play(page, desk.project, {"ATTRACTOR_STATE_DIR": str(desk.state), "PATH": path})
