"""Time of an evaluation, compared with the minimal time of its trials."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks.figures import Figure, Row
from benchmarks.folders import Folders

SCENARIOS, TRIALS, AT_ONCE = 6, 5, 2
PROGRAM_S = 1.0
LIMIT = 1.6
FILES = 300
ATTRACTOR = str(Path(sys.executable).parent / "attractor")
PIPELINE = """
digraph made {
    graph [goal="Measure"]
    start [shape=Mdiamond]
    make  [shape=parallelogram, tool_command="true"]
    exit  [shape=Msquare]
    start -> make -> exit
}
"""
SUITE = f"""
name = "timed"
pipeline = "made"
[trials]
n = {TRIALS}
concurrency = {AT_ONCE}
"""
SCENARIO = """
id = "scenario-{number}"
title = "Scenario {number}"
story = "Ann waits for number {number}."
baseline = "pass"
[[steps]]
name = "wait"
run = "sh program.sh {number}"
[[checks]]
kind = "stdout"
step = "wait"
equals = "done {number}"
"""


def rows() -> Iterator[Row]:
    """Evaluate six scenarios of five trials of a program of one second, two at once."""
    with Folders() as folders:
        folder = folders.new()
        project, environ = _project(folder), {**os.environ, "HOME": str(folder)}
        environ |= {"ATTRACTOR_STATE_DIR": str(folder / "state")}

        def attractor(*words: str) -> None:
            command = [ATTRACTOR, *words]
            done = subprocess.run(
                command, cwd=project, env=environ, capture_output=True, text=True, timeout=300
            )
            if done.returncode:
                raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")

        attractor("suite", "register", "scenarios/timed")
        attractor("run", "made.dot", "--suite", "timed")
        [journal] = (project / "runs").glob("*/events.jsonl")
        taken = _seconds(journal)
    ideal = SCENARIOS * TRIALS * PROGRAM_S / AT_ONCE
    name = f"evaluation of {SCENARIOS * TRIALS} trials / the trials alone"
    yield Figure.paired(name, [(ideal, taken)], LIMIT)


def _project(folder: Path) -> Path:
    """Make a repository with a program, some files, a pipeline and a suite."""
    project = folder / "project"
    suite = project / "scenarios" / "timed"
    (suite / "holdout").mkdir(parents=True)
    (suite / "suite.toml").write_text(SUITE)
    for number in range(SCENARIOS):
        file = suite / "holdout" / f"{number}.scenario.toml"
        file.write_text(SCENARIO.format(number=number))
    (project / "made.dot").write_text(PIPELINE)
    (project / "program.sh").write_text(f"sleep {PROGRAM_S}; echo done $1\n")
    for number in range(FILES):
        (project / f"file{number}.txt").write_text(f"{number}\n" * 100)
    for words in ("init --quiet", "add --all", "commit --quiet --message Begin"):
        identity = ["-c", "user.name=B", "-c", "user.email=b@localhost"]
        subprocess.run(["git", *identity, *words.split()], cwd=project, check=True, timeout=60)
    return project


def _seconds(journal: Path) -> float:
    """Return the time from the start of the first trial to the end of the last one."""
    events = [json.loads(line) for line in journal.read_bytes().splitlines()]
    trials = [one for one in events if one["type"] in ("TrialStarted", "TrialCompleted")]
    if sum(one["data"].get("satisfied") is True for one in trials) != SCENARIOS * TRIALS:
        raise RuntimeError("a trial was not satisfied")
    first, last = (datetime.fromisoformat(trials[at]["time"]) for at in (0, -1))
    return (last - first).total_seconds()
