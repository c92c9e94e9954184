"""Prints the tests of an area: those of a room, and the chapters of tests/spec of its README."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def known_areas() -> list[str]:
    return sorted(readme.parent.name for readme in ROOT.glob("attractor/*/README.md"))


def chapters(room: str) -> dict[str, list[Path]]:
    """Return the files of tests/spec by the patterns in the README of a room."""
    text = (ROOT / "attractor" / room / "README.md").read_text("utf-8")
    named = re.search(r"chapters (.+) of `tests/spec`", text)
    patterns: list[str] = re.findall(r"`([^`]+)`", named[1]) if named else []
    return {
        pattern: sorted((ROOT / "tests" / "spec").glob(f"test_{pattern}.py"))
        for pattern in patterns
    }


def tests_of(room: str) -> list[str]:
    """Return the paths of the tests of a room."""
    files = {file for found in chapters(room).values() for file in found}
    return [f"tests/{room}", *sorted(str(file.relative_to(ROOT)) for file in files)]


if __name__ == "__main__":
    area = sys.argv[1]
    if area not in known_areas():
        sys.exit(f"unknown area {area!r}; known areas: {', '.join(known_areas())}")
    sys.stdout.write(" ".join(tests_of(area)))
