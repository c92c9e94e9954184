"""The result of nested pipelines does not depend on the number of kills."""

import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from attractor.base.hash_chain import verify_file
from tests.cli.git_desk import UNGUARDED, GitDesk, desk as desk, events, is_anyone_in
from tests.cli.test_child_runs import EACH, ENDS, FORKS, OUTER, made
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git
from tests.prepared import Process


def begun(desk: GitDesk) -> Path:
    """Wait for the first stage, and return the run directory."""
    wait_until(lambda: desk.runs() and (desk.runs()[0] / "start").exists())
    [root] = desk.runs()
    return root


def kill_at(desk: GitDesk, process: Process, pause: float) -> bool:
    """Kill a process after a while; return whether it was still running."""
    time.sleep(pause)
    process.kill()
    code = process.wait(PATIENCE_S)
    wait_until(lambda: not is_anyone_in(desk.folder))
    return code == -signal.SIGKILL


def attempts(root: Path) -> Counter[Any]:
    """Count the starts of each attempt, in a run and in all its children."""
    return Counter(
        (one.parent, *(event.get(key) for key in ("branch", "node", "visit", "attempt")))
        for one in root.rglob("events.jsonl")
        for event in events(one.parent, "StageStarted")
    )


@pytest.mark.crash
def test_a_kill_repeats_at_most_the_stage_in_flight_of_a_child(desk: GitDesk) -> None:
    stages = [f"s{number}" for number in range(6)]
    nodes = "\n".join(
        f'{one} [shape=parallelogram, tool_command="sleep 0.15; echo {one} >> log.txt"]'
        for one in stages
    )
    long = f"digraph long {{ {ENDS}\n{nodes}\nstart -> {' -> '.join(stages)} -> exit }}"
    middle = OUTER.replace("parts/inner.dot", "long.dot")
    desk.make(OUTER, **{"parts/inner.dot": middle, "parts/long.dot": long})
    dice, before = random.Random(7), Counter[Any]()
    process = desk.begin("run", "pipeline.dot", *UNGUARDED)
    root = begun(desk)
    killed = 0
    for _ in range(count(ci=3, full=40)):
        killed += kill_at(desk, process, dice.uniform(0.05, 0.6))
        now = attempts(root)
        # Attempts that were repeated: at most one in each of the nested runs.
        again = [one for one in now if before and one in before and now[one] > before[one]]
        assert len({one[0] for one in again}) == len(again)
        before = now
        process = desk.begin("resume", root.name, "--no-evaluate")
    assert process.wait(PATIENCE_S) in (0, 4)
    assert killed >= 2
    status = desk.json("status", root.name)
    assert status["outcome"] == "success"
    assert made(desk, root) == ["before", "before", *stages, "after", "after"]
    for journal in root.rglob("events.jsonl"):
        assert verify_file(journal).flaw is None
    assert len(list(root.rglob("manifest.json"))) == 3


@pytest.mark.crash
def test_kills_keep_the_results_of_children_in_branches(desk: GitDesk) -> None:
    desk.make(EACH, **{"inner.dot": FORKS})
    dice = random.Random(3)
    process = desk.begin("run", "pipeline.dot", *UNGUARDED)
    root = begun(desk)
    for _ in range(count(ci=2, full=30)):
        kill_at(desk, process, dice.uniform(0.05, 0.5))
        process = desk.begin("resume", root.name, "--no-evaluate")
    assert process.wait(PATIENCE_S) in (0, 4)
    assert desk.json("status", root.name)["outcome"] == "success"
    assert len(list((root / "children").iterdir())) == 3
    files = git(desk.project, "ls-tree", "--name-only", f"attractor/run/{root.name}").splitlines()
    assert len([one for one in files if one.endswith(".txt") and one != "readme.txt"]) == 3
