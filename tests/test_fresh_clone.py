"""The two commands of a newcomer in a fresh clone and home; the set-up needs the network."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.examples import ROOT

OVERHEAD_S = 2.0


def run(folder: Path, home: Path, *words: str) -> tuple[str, float]:
    """Run a command without the caller's settings, except for the source of packages."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    before = time.monotonic()
    result = subprocess.run(
        words,
        cwd=folder,
        env=kept | {"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout, time.monotonic() - before


@pytest.mark.live
def test_demo_and_test_work_in_a_fresh_clone(tmp_path: Path) -> None:
    home, clone = tmp_path / "home", tmp_path / "clone"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    assert "main is now" in run(clone, home, "make", "demo")[0]
    tests, _ = run(clone, home, "make", "test")
    assert " passed" in tests.splitlines()[-1]
    program = [".venv/bin/python", "examples/demo.py"]
    pairs = [(run(clone, home, "make", "demo")[1], run(clone, home, *program)[1]) for _ in range(3)]
    assert min(demo - program for demo, program in pairs) < OVERHEAD_S
