"""The workers of a server: drained, ended, killed, and taken over by the next server."""

import os
import sys
import time
from pathlib import Path

from attractor.server.processes.own_workers import OwnWorkers
from tests.patience import wait_until

WORKER = """
import signal, sys, time
signals = []
signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
print("ready", flush=True)
while len(signals) < int(sys.argv[1]):
    time.sleep(0.02)
"""


def own_workers(folder: Path, *, ends_at: int, number: int = 2, project: str = "p") -> OwnWorkers:
    """Return workers that end at a certain signal."""
    (folder / project).mkdir(exist_ok=True)
    program = (sys.executable, "-c", WORKER, f"{ends_at}")
    return OwnWorkers(folder, folder / project, dict(os.environ), number=number, program=program)


def await_ready(folder: Path, number: int) -> None:
    def printed() -> int:
        return sum(log.read_text().count("ready") for log in folder.rglob("slot-*.log"))

    wait_until(lambda: printed() == number)


def test_next_server_takes_over_the_workers_of_a_killed_one(tmp_path: Path) -> None:
    killed = own_workers(tmp_path, ends_at=1)
    killed.start()
    await_ready(tmp_path, 2)
    following = own_workers(tmp_path, ends_at=1, number=3)
    following.start()
    await_ready(tmp_path, 3)
    other = own_workers(tmp_path, ends_at=1, number=1, project="q")
    other.start()
    await_ready(tmp_path, 4)
    following.end()
    assert (len(killed.living), len(following.living), len(other.living)) == (0, 0, 1)
    other.end()
    assert other.living == []
    killed.end()


def test_workers_that_do_not_drain_end_at_the_second_signal_and_are_killed_at_the_third(
    tmp_path: Path,
) -> None:
    for ends_at, needed in ((2, 2), (9, 3)):
        folder = tmp_path / f"{ends_at}"
        folder.mkdir()
        own = own_workers(folder, ends_at=ends_at)
        own.start()
        await_ready(folder, 2)
        for _ in range(needed - 1):
            own.interrupt()
            time.sleep(0.2)
            assert len(own.living) == 2
        own.interrupt()
        wait_until(lambda own=own: not own.living)
        own.end()


def test_server_without_workers_makes_no_folder(tmp_path: Path) -> None:
    own = own_workers(tmp_path, ends_at=1, number=0)
    own.start()
    own.end()
    assert [one.name for one in tmp_path.iterdir()] == ["p"]
