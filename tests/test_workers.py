"""Forked workers report each test once, also if one of them dies."""

import subprocess
import sys
from pathlib import Path

from tests.examples import ROOT

TESTS = """
import os, time
import pytest

@pytest.mark.parametrize("number", range(40))
def test_passes(number, tmp_path):
    (tmp_path / "file").touch()

def test_fails():
    print("printed by the test")
    assert os.getpid() == 0

@pytest.mark.skip
def test_is_skipped():
    pass
"""
DEADLY = """
import os
import pytest

@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    yield tmp_path_factory.mktemp("module")
    print("folder removed")

@pytest.mark.parametrize("number", range(4))
def test_ends_its_worker(number, folder):
    if number == 1:
        os._exit(7)
"""


def test_every_test_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "test_first.py").write_text(TESTS)
    (tmp_path / "test_second.py").write_text(DEADLY)
    (tmp_path / "pytest.ini").touch()
    command = [sys.executable, "-m", "pytest", "-p", "tests.workers", "--workers=2", "-rA"]
    done = subprocess.run(
        [*command, str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "43 passed" in lines[-1]
    assert "2 failed" in lines[-1]
    assert "1 skipped" in lines[-1]
    assert "printed by the test" in lines
    assert "the worker ended with 7 in this test" in lines
    reported = [line.split()[1] for line in lines if line.startswith(("PASSED ", "FAILED "))]
    assert len(reported) == len(set(reported)) == 45
