"""Prints the tests of a room, or those of all rooms that changed: `python -m tests.areas engine`.

The tests of a room are its folder and the chapters of tests/spec that its README names.
`python -m tests.areas --since COMMIT` prints those of each room that changed since a commit, and of
each room that imports such a room, with the pages of documentation that changed or name a changed
command. It prints `tests`, all of them, if a file changed on which all tests depend.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from tests.costs import read_costs
from tests.layers import read_modules, rooms_named

ROOT = Path(__file__).parent.parent
ALL = ["tests"]
LAST_WHOLE = ROOT / ".ci" / "last-whole"
"""Date and commit of the last run of all tests."""
MOST_DAYS = 2
COMMANDS = "attractor/cli/commands/"
OF_PAGES = {f"tests/test_{name}.py" for name in ("docs", "language_pages", "runbooks")}
"""Tests of pages run if a page changed, or a command that it names."""
WITHOUT_TESTS = (".ci/last-whole", "LICENSE")


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


def paths_for(changed: Iterable[str], slow: Iterable[str]) -> list[str]:
    """Return paths and names of the slow tests for changed files."""
    chosen = set[str]()
    for path in changed:
        top, _, rest = path.partition("/")
        room = rest.partition("/")[0]
        if path.endswith(".md"):
            chosen |= {test for test in slow if _plays(test, [path])}
        elif top == "attractor" and room in known_areas():
            chosen |= {one for area in {room, *importers(room)} for one in tests_of(area)}
            chosen |= {str(file.relative_to(ROOT)) for file in ROOT.glob("tests/test_*.py")}
            chosen -= OF_PAGES
            if path.startswith(COMMANDS):
                pages = _pages_with(path.removeprefix(COMMANDS).removesuffix(".py"))
                chosen |= {test for test in slow if _plays(test, pages)}
        elif top == "tests" and (path.startswith("tests/spec/test_") or room.startswith("test_")):
            chosen.add(path)
        elif top == "tests" and (ROOT / "tests" / room).is_dir() and room != "spec":
            chosen.add(f"tests/{room}")
        elif path not in WITHOUT_TESTS:
            return ALL
    return sorted(one for one in chosen if any(_contains(one, test) for test in slow))


def importers(room: str) -> set[str]:
    """Return the rooms with a module that imports a room."""
    importing = {importer for importer, imported in _imports() if imported == room}
    return importing & {*known_areas()} - {room}


@cache
def _imports() -> set[tuple[str, str]]:
    return {
        (module.room, room)
        for module in read_modules()
        for found in module.imports
        for room in rooms_named(found)
    }


def _pages_with(command: str) -> list[str]:
    words = f"attractor {command.replace('__', ' ')}"
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    return [str(page.relative_to(ROOT)) for page in pages if words in page.read_text("utf-8")]


def _plays(test: str, pages: Iterable[str]) -> bool:
    """Return whether a test executes the examples of one of the pages."""
    case = test.partition("[")[2].rstrip("]")
    return any(case in (page, Path(page).stem) for page in pages)


def _contains(path: str, test: str) -> bool:
    return test == path or test.startswith((f"{path}/", f"{path}::", f"{path}["))


def changed_since(commit: str) -> list[str] | None:
    """Return the files that differ from a commit; None if this clone does not have it."""
    command = ["git", "diff", "--name-only", "--no-renames", commit]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else None


def last_whole(today: date) -> str:
    """Return the commit of the last run of all tests, or nothing if it is too old."""
    day, commit = LAST_WHOLE.read_text("utf-8").split()
    return commit if today - date.fromisoformat(day) <= timedelta(days=MOST_DAYS) else ""


def main(*words: str) -> str:
    """Return the arguments of pytest."""
    match words:
        case ["--slow", "--since", commit]:
            if commit == "last-whole":
                commit = last_whole(date.today())
            changed = changed_since(commit) if commit else None
            return " ".join(ALL if changed is None else paths_for(changed, read_costs().slow))
        case [*options, area] if options in ([], ["--slow"]):
            if area not in known_areas():
                sys.exit(f"unknown area {area!r}; known areas: {', '.join(known_areas())}")
            slow = read_costs().slow if options else None
            return " ".join(
                one
                for one in tests_of(area)
                if slow is None or any(_contains(one, test) for test in slow)
            )
        case _:
            sys.exit("usage: python -m tests.areas [--slow] AREA | --slow --since COMMIT")


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]))
