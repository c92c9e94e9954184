"""A line of 1,000 durable steps on Attractor and on general step engines; README.md compares them.

The engines are installed by scripts/step-engines. Each runs in processes of its own.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, NotMeasured, Row
from benchmarks.folders import Folders

STEPS, KILL_AT, ROUNDS = 1_000, 500, 3
PROGRAMS = Path(__file__).with_name("step_engines")
INSTALLED = PROGRAMS.parent.parent / ".cache" / "step-engines" / "bin" / "python"
ENGINES = ("langgraph_line", "langgraph_loop", "dbos_line", "burr_line")


@dataclass(frozen=True)
class _Engine:
    program: str
    python: Path

    def run(self, folder: Path, *kill_at: str) -> subprocess.CompletedProcess[str]:
        """Execute the line, or resume it in a folder of a killed process."""
        command = [self.python, PROGRAMS / f"{self.program}.py", folder, str(STEPS), *kill_at]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    def report(self, folder: Path, *, first: int = 1) -> dict[str, Any]:
        """Execute the line from a step to its end; return the report of the program."""
        done = self.run(folder)
        if done.returncode:
            raise RuntimeError(f"{self.program}: {done.stderr}")
        report = json.loads(done.stdout.splitlines()[-1])
        if report["executed"] != list(range(first, STEPS + 1)):
            raise RuntimeError(f"{self.program} executed other steps than {first} to {STEPS}")
        return report


def rows() -> Iterator[Row]:
    """Measure each engine."""
    engines = [_Engine("attractor_line", Path(sys.executable))]
    if INSTALLED.exists():
        engines += [_Engine(name, INSTALLED) for name in ENGINES]
    else:
        yield NotMeasured("step engines", "not installed: scripts/step-engines")
    with Folders() as folders:
        for engine in engines:
            yield from _rows(engine, folders)


@dataclass(frozen=True)
class _Run:
    name: str
    floor: float
    seconds: float
    megabytes: float


def _rows(engine: _Engine, folders: Folders) -> Iterator[Figure]:
    runs = [_run(engine, folders) for _ in range(ROUNDS)]
    name, times = runs[0].name, [(run.floor, run.seconds) for run in runs]
    yield Figure.paired(f"{name}: {STEPS:,} steps / {STEPS:,} synced lines", times, None)
    kept = statistics.median(run.megabytes for run in runs)
    yield Figure(f"{name}: kept after {STEPS:,} steps", kept, None, "MB")
    resumed = statistics.median(_seconds_to_resume(engine, folders.new()) for _ in range(ROUNDS))
    yield Figure(f"{name}: killed in step {KILL_AT}, new process resumes", resumed, None, "s")


def _run(engine: _Engine, folders: Folders) -> _Run:
    floor, folder = _synced_lines(folders.new()), folders.new()
    report = engine.report(folder)
    kept = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return _Run(report["engine"], floor, report["seconds"], kept / 1e6)


def _synced_lines(folder: Path) -> float:
    """Return the seconds for appending a line for each step, each on disk before the next one."""
    began = time.perf_counter()
    with (folder / "lines").open("wb", buffering=0) as file:
        for _ in range(STEPS):
            file.write(b"x" * 100 + b"\n")
            os.fsync(file.fileno())
    return time.perf_counter() - began


def _seconds_to_resume(engine: _Engine, folder: Path) -> float:
    """Return the seconds from the start of a new process to its first step."""
    killed = engine.run(folder, str(KILL_AT))
    if killed.returncode != -signal.SIGKILL:
        raise RuntimeError(f"{engine.program} was not killed: {killed.stderr}")
    began = time.time()
    return engine.report(folder, first=KILL_AT)["first_at"] - began
