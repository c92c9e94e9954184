"""The line of steps that every engine executes, and the report about it.

    PROGRAM FOLDER STEPS [KILL_AT]

It kills itself in step KILL_AT, if given. Started again with the same folder and without KILL_AT,
it resumes. It prints a report as JSON.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Line:
    """A line of steps, and the steps executed by this process."""

    folder: Path
    steps: int
    kill_at: int
    executed: list[int] = field(default_factory=list)
    first_at: float = 0.0

    def step(self, number: int) -> str:
        """Do the work of a step: return a short text, which the engine keeps."""
        if number == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if not self.executed:
            self.first_at = time.time()
        self.executed.append(number)
        return f"step {number} of {self.steps} is done"


def main(engine: str, run: Callable[[Line], str]) -> None:
    """Execute the line, and print the report; `run` returns the last text."""
    folder, steps, *rest = sys.argv[1:]
    line = Line(Path(folder), int(steps), int(rest[0]) if rest else 0)
    began = time.perf_counter()
    last = run(line)
    report = {
        "engine": engine,
        "seconds": time.perf_counter() - began,
        "first_at": line.first_at,
        "executed": line.executed,
        "last": last,
    }
    print(json.dumps(report))
