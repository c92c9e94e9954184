"""How long the program needs to start, as a multiple of an empty Python program."""

import sys
from pathlib import Path

from benchmarks.ratios import measure, report

PYTHON = sys.executable
ATTRACTOR = str(Path(sys.executable).parent / "attractor")
LIMIT = 6


def main() -> int:
    """Measure `--help` and `--version`."""
    floor = [PYTHON, "-c", "pass"]
    flags = ["--help", "--version"]
    return report(
        [
            measure(f"attractor {flag} / python -c pass", [ATTRACTOR, flag], floor, limit=LIMIT)
            for flag in flags
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
