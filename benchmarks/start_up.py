"""Time to start the program, compared with an empty Python program."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Row, measure

PYTHON = sys.executable
ATTRACTOR = str(Path(sys.executable).parent / "attractor")
LIMIT = 6


def rows() -> Iterator[Row]:
    """Measure `--help` and `--version`."""
    floor = [PYTHON, "-c", "pass"]
    for flag in ("--help", "--version"):
        yield measure(f"attractor {flag} / python -c pass", [ATTRACTOR, flag], floor, bound=LIMIT)
