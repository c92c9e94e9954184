"""How much work a machine does at once follows from its cores and its free memory."""

import os
from pathlib import Path

import pytest

from attractor.base import processes
from tests.tables import table


def four_cores(process: int) -> set[int]:
    return {process, 1, 2, 3}


@table(
    "available, each, most",
    [("MemAvailable: 8000 kB", 1000, 4), ("MemAvailable: 2100 kB", 1000, 2), ("", 1000, 4)],
)
def test_works_at_once_are_as_many_as_cores_and_memory_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available: str, each: int, most: int
) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 9000 kB\n{available}\n")
    monkeypatch.setattr(processes, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(os, "sched_getaffinity", four_cores)
    assert processes.works_at_once(each) == most


def test_one_work_is_always_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemAvailable: 10 kB\n")
    monkeypatch.setattr(processes, "_MEMORY", tmp_path / "meminfo")
    assert processes.works_at_once(1000) == 1
