"""Compares the coverage of `make coverage` with its floors, and names the least covered modules."""

import json
import sys
from pathlib import Path
from typing import Any

FLOORS = {"lines": 92.0, "branches": 85.0}
SHOWN = 20


def main() -> int:
    """Read coverage.json; return 1 if a floor is missed."""
    report = json.loads(Path("coverage.json").read_text())
    found = shares(report["totals"])
    for name, floor in FLOORS.items():
        verdict = "ok" if found[name] >= floor else "MISSED"
        print(f"{name:<8} {found[name]:6.2f} %  floor {floor} %  {verdict}")
    print(f"\nThe {SHOWN} modules with the most lines and branches that no test reaches:")
    files = sorted(report["files"].items(), key=lambda one: -_missing(one[1]["summary"]))
    for name, file in files[:SHOWN]:
        part = shares(file["summary"])
        missing = _missing(file["summary"])
        print(f"{missing:>5}  {part['lines']:6.1f} % {part['branches']:6.1f} %  {name}")
    return int(any(found[name] < floor for name, floor in FLOORS.items()))


def shares(summary: dict[str, Any]) -> dict[str, float]:
    """Return the covered percentages of lines and branches."""
    counts = {
        "lines": (summary["covered_lines"], summary["num_statements"]),
        "branches": (summary["covered_branches"], summary["num_branches"]),
    }
    return {name: 100 * part / whole if whole else 100.0 for name, (part, whole) in counts.items()}


def _missing(summary: dict[str, Any]) -> int:
    return summary["missing_lines"] + summary["missing_branches"]


if __name__ == "__main__":
    sys.exit(main())
