"""Time to register a suite with wrong solutions and references, compared with one without."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, Row
from benchmarks.folders import Folders

HOLDOUTS, WRONG, PAIRS, LIMIT = 4, 8, 5, 4.0
ATTRACTOR = str(Path(sys.executable).parent / "attractor")
PIPELINE = """
digraph made {
    start [shape=Mdiamond]
    make  [prompt=x]
    exit  [shape=Msquare]
    start -> make -> exit
}
"""
SUITE = """
name = "{name}"
pipeline = "made"
[trials]
n = 2
concurrency = 2
"""
SCENARIO = """
id = "s{number}"
title = "Scenario {number}"
story = "Ann looks at number {number}."
[[steps]]
name = "look"
run = "sh program.sh {number}"
[[checks]]
kind = "stdout"
step = "look"
equals = "begun\\n{number} done\\nended\\n"
"""
PROGRAM = "echo begun\nsleep 0.3\necho ended\n"


def rows() -> Iterator[Row]:
    """Register two suites in turn; one has 8 wrong solutions, and 8 changes to leave out."""
    with Folders() as folders:
        folder = folders.new()
        project = _project(folder)
        pairs = [
            (
                _register(folder, project, f"plain-{turn}", measured=False),
                _register(folder, project, f"measured-{turn}", measured=True),
            )
            for turn in range(PAIRS)
        ]
    name = f"register with {WRONG} wrong solutions, {2 * HOLDOUTS} changes / without"
    yield Figure.paired(name, pairs, LIMIT)


def _register(folder: Path, project: Path, name: str, *, measured: bool) -> float:
    """Write a suite, and return the seconds of its registration."""
    suite = project / "scenarios" / name
    (suite / "holdout").mkdir(parents=True)
    rows = [
        f'[[wrong]]\nid = "w{number}"\non = "s1"\nnoticed_by = ["s1"]\n' for number in range(WRONG)
    ]
    text = SUITE.format(name=name) + "".join(rows if measured else [])
    (suite / "suite.toml").write_text(text)
    for number in range(1, HOLDOUTS + 1):
        file = suite / "holdout" / f"s{number}.scenario.toml"
        file.write_text(SCENARIO.format(number=number))
        if measured:
            _write(suite / "reference" / f"s{number}.patch", _patch(f"echo {number} done", "true"))
    for number in range(WRONG if measured else 0):
        patch = "--- a/program.sh\n+++ b/program.sh\n@@ -3,3 +3,3 @@\n sleep 0.3\n"
        _write(
            suite / "wrong" / f"w{number}.patch",
            f"{patch}-echo 1 done\n+echo {number}\n echo ended\n",
        )
    began = time.monotonic()
    _do([ATTRACTOR, "suite", "register", f"scenarios/{name}"], folder, project)
    return time.monotonic() - began


def _patch(line: str, first: str) -> str:
    """Return a patch with two changes: the line, and one before it."""
    before = "--- a/program.sh\n+++ b/program.sh\n@@ -1,3 +1,5 @@\n"
    return f"{before}+{first}\n echo begun\n sleep 0.3\n+{line}\n echo ended\n"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def _project(folder: Path) -> Path:
    project = folder / "project"
    project.mkdir()
    (project / "made.dot").write_text(PIPELINE)
    (project / "program.sh").write_text(PROGRAM)
    for words in ("init -q -b main", "add .", "commit -q -m Begin"):
        _do(["git", *words.split()], folder, project)
    return project


def _do(command: list[str], folder: Path, project: Path) -> None:
    names = {
        f"GIT_{who}_{what}": "ann" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    environ = {**os.environ, **names, "HOME": str(folder)}
    environ |= {"ATTRACTOR_STATE_DIR": str(folder / "state")}
    done = subprocess.run(
        command, cwd=project, env=environ, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
