"""What branches come to does not depend on how often their process was killed."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from attractor.base.hash_chain import verify_file
from attractor.base.json import Json
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.state.progress import Progress
from tests.counts import count
from tests.engine.dying_branches import branching_graph, workplace
from tests.engine.runs import Workplace, read_events
from tests.engine.test_crashes import wait_for_growth

Attempt = tuple[str | None, str | None, int | None, int | None]


def begin(root: Path) -> subprocess.Popen[bytes]:
    milliseconds = str(count(ci=3, full=25))
    command = [sys.executable, "-m", "tests.engine.dying_branches", str(root), milliseconds]
    return subprocess.Popen(command)


def kill_at(root: Path, pause: float) -> bool:
    """Let a process work on a run for a while; tell whether it was killed at work."""
    journal = root / "events.jsonl"
    size = journal.stat().st_size if journal.exists() else 0
    process = begin(root)
    try:
        wait_for_growth(process, root, size)
        time.sleep(pause)
    finally:
        process.kill()
    return process.wait(timeout=30) == -signal.SIGKILL


def comparable(progress: Progress) -> dict[str, object]:
    """Return all but what is measured, and but who came first to a node that branches share.

    Nor does it hold what was used: a stage that is made again uses it again.
    """
    stages = {node: (one.visits, one.outcome) for node, one in progress.stages.items()}
    return {
        "context": _without_times(dict(progress.context)),
        "completed": progress.completed,
        "stages": stages,
        "end": progress.end,
        "handled": progress.handled,
        "left_out": progress.left_out,
    }


def _without_times(value: Json) -> Json:
    match value:
        case dict():
            return {key: _without_times(one) for key, one in value.items() if key != "seconds"}
        case list():
            return [_without_times(one) for one in value]
        case _:
            return value


def attempts(root: Path) -> list[Attempt]:
    started = [one for one in read_events(root) if one.type == "StageStarted"]
    return [(one.branch, one.node, one.visit, one.attempt) for one in started]


def per_branch(root: Path) -> Counter[tuple[str | None, str | None, int | None]]:
    """Count the attempts of each node in each branch; a shared node's visits have any number."""
    return Counter({(branch, node, attempt) for branch, node, _, attempt in attempts(root)})


def end_state(root: Path) -> Progress:
    with Workplace(root, branching_graph()).open() as run:
        assert list(run.state.walks) == [""]
        assert run.state.questions == []
        return run.progress


@pytest.mark.crash
def test_kills_change_neither_the_branches_nor_the_outcome(tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    assert workplace(undisturbed).run().exit_code == 0
    root = tmp_path / "killed"
    workplace(root)
    dice = random.Random(11)
    killed = sum(kill_at(root, dice.uniform(0, 0.08)) for _ in range(count(ci=4, full=40)))
    assert killed >= 2
    last = begin(root)
    assert last.wait(timeout=120) == 0
    after, wanted = end_state(root), end_state(undisturbed)
    assert comparable(after) == comparable(wanted)
    # Each kill repeats at most the stage in flight of each of four branches.
    again = after.usage.input_tokens - wanted.usage.input_tokens
    assert 0 <= again <= 4 * killed
    assert verify_file(root / "events.jsonl").flaw is None
    assert set(per_branch(root)) == set(per_branch(undisturbed))


@pytest.mark.crash
def test_a_kill_repeats_at_most_the_stage_in_flight_of_each_branch(tmp_path: Path) -> None:
    root = tmp_path / "killed"
    workplace(root)
    dice = random.Random(5)
    for _ in range(count(ci=3, full=30)):
        if not kill_at(root, dice.uniform(0.02, 0.1)):
            break
        before = attempts(root)
        found = open_journal(root / "events.jsonl", root / "checkpoint.json")
        flights = {key: one.in_flight for key, one in found.state.walks.items()}
        in_flight = {
            (key or None, one.node, one.visit, one.attempt) for key, one in flights.items() if one
        }
        kill_at(root, 0.05)
        repeated = set(attempts(root)[len(before) :]) & set(before)
        assert repeated <= in_flight
        # A fork goes on, and one that goes on is begun again with each process.
        again = Counter(attempts(root)[len(before) :])
        assert not [one for one, times in again.items() if times > 1]
    assert begin(root).wait(timeout=120) == 0
