"""Programs that use the public door alone: those in the documentation, and the example."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples import ROOT, Fence, fences
from tests.pipeline.projects import make_project

PAGE = "run-from-a-program.md"
PIPELINE = """digraph hello {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    greet [prompt="Write: $goal"]
    start -> greet -> exit
}
"""


def run(program: str, folder: Path) -> str:
    project = make_project(folder / "project", PIPELINE)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "ATTRACTOR_STATE_DIR": str(folder / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


PROGRAMS = [one for one in fences("python") if one.page.name == PAGE]
PRINTED = {
    0: "success ('start', 'greet') ",
    1: "StageCompleted greet\n",
}


@pytest.mark.parametrize(("number", "fence"), list(enumerate(PROGRAMS)))
def test_a_program_of_the_documentation_runs(number: int, fence: Fence, tmp_path: Path) -> None:
    assert PRINTED[number] in run(fence.text, tmp_path)


def test_example_passes_its_own_parts(tmp_path: Path) -> None:
    printed = run((ROOT / "examples" / "greetings.py").read_text(), tmp_path)
    done = ["start is done", "write is done", "loud is done", "ask is done"]
    assert printed.splitlines() == [*done, "success: HELLO, ALL OF YOU!"]
