"""A mark names the run and the process that started a command."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from attractor.environments.orphan_processes import (
    ProcessMark,
    can_find_orphans,
    new_mark,
    read_mark,
)
from tests.tables import table

pytestmark = pytest.mark.skipif(not can_find_orphans(), reason="no /proc")

SHOW = "from attractor.environments.orphan_processes import new_mark; print(new_mark('RUN'))"


@given(st.text())
def test_marks_round_trip(run_id: str) -> None:
    mark = read_mark(new_mark(run_id))
    assert mark is not None
    assert (mark.run_id, mark.runner, mark.is_orphaned) == (run_id, os.getpid(), False)


def test_marks_are_unique() -> None:
    assert new_mark("RUN") != new_mark("RUN")


@given(st.text())
def test_invalid_marks_are_ignored(value: str) -> None:
    mark = read_mark(value)
    assert mark is None or value.startswith(f"{mark.run_id}.")


@table(
    "value", ["", "0a1b2c", "RUN", "RUN.12", "RUN.12.x", "RUN.-.x", "RUN.12-.x", "RUN.٣-1.x", "."]
)
def test_marks_of_another_format_are_ignored(value: str) -> None:
    assert read_mark(value) is None


def test_a_mark_is_orphaned_when_its_process_is_gone() -> None:
    result = subprocess.run(
        [sys.executable, "-c", SHOW], capture_output=True, text=True, check=True
    )
    mark = read_mark(result.stdout.strip())
    assert mark is not None
    assert (mark.run_id, mark.is_orphaned) == ("RUN", True)


def test_reused_process_id_is_another_process() -> None:
    assert ProcessMark("RUN", os.getpid(), "1").is_orphaned
