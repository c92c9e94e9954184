"""What a run comes to does not depend on how often its process was killed."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attractor.base.errors import LockHeld
from attractor.base.hash_chain import verify_file
from attractor.engine.state.progress import Progress
from tests.counts import count
from tests.engine.dying_run import looping_graph, workplace
from tests.engine.runs import Workplace, read_events


def begin(root: Path, *, milliseconds: int = count(ci=2, full=25)) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.engine.dying_run", str(root), str(milliseconds)]
    return subprocess.Popen(command)


def wait_for_growth(process: subprocess.Popen[bytes], root: Path, size: int) -> None:
    """Wait until the journal has grown beyond a size: until the process is at work."""
    events = root / "events.jsonl"
    until = time.monotonic() + 30
    while process.poll() is None and (not events.exists() or events.stat().st_size <= size):
        assert time.monotonic() < until
        time.sleep(0.001)


def end_state(root: Path) -> Progress:
    with Workplace(root, looping_graph()).open() as run:
        return run.progress


def comparable(progress: Progress) -> tuple[object, ...]:
    """Return all but what is measured."""
    return (
        progress.completed,
        progress.context,
        progress.stages,
        progress.end,
        progress.redirects,
        progress.handled,
    )


@pytest.mark.crash
def test_kills_change_neither_the_stages_nor_the_outcome(tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    assert workplace(undisturbed).run().exit_code == 0
    root = tmp_path / "killed"
    workplace(root)
    dice = random.Random(7)
    killed = 0
    for _ in range(count(ci=3, full=20)):
        size = (root / "events.jsonl").stat().st_size if (root / "events.jsonl").exists() else 0
        process = begin(root)
        try:
            wait_for_growth(process, root, size)
            time.sleep(dice.uniform(0, 0.06))
        finally:
            process.kill()
        killed += process.wait(timeout=30) == -signal.SIGKILL
    assert killed >= 2
    last = begin(root)
    assert last.wait(timeout=120) == 0
    assert comparable(end_state(root)) == comparable(end_state(undisturbed))
    assert verify_file(root / "events.jsonl").flaw is None
    started = [(one.node, one.visit) for one in read_events(root) if one.type == "StageStarted"]
    plain = [(o.node, o.visit) for o in read_events(undisturbed) if o.type == "StageStarted"]
    assert len(started) <= len(plain) + killed
    assert list(dict.fromkeys(started)) == list(dict.fromkeys(plain))


@pytest.mark.crash
def test_a_second_runner_is_refused_with_the_holders_name(tmp_path: Path) -> None:
    root = tmp_path / "run"
    workplace(root)
    # So slow that it is at work still when the second one comes.
    process = begin(root, milliseconds=2_000)
    try:
        wait_for_growth(process, root, 0)
        with pytest.raises(LockHeld, match=f"process {process.pid} "):
            workplace(root).open()
    finally:
        process.kill()
        process.wait(timeout=30)
    workplace(root).open().close()
