"""Lists tests that reach nothing beyond tests/spec: `python -m tests.redundant_tests engine`.

A test of the room is listed if tests/spec reaches each branch of the room that it reaches, and if
tests/spec or a test that is not listed reaches each branch of other rooms. A branch that is reached
is not yet checked: a listed test can go if it names no fault and `make mutants AREA=engine` lists
no new survivor without it.
"""

import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set as AbstractSet
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.areas import ROOT, known_areas

Branch = tuple[str, int, int]
"""File and two lines that follow each other."""


def main(room: str) -> None:
    """Run tests/spec and the tests of a room, and print the listed ones."""
    with TemporaryDirectory() as folder:
        data = Path(folder) / "coverage"
        measure(room, data)
        reached = read(data)
    tests = {name for name in reached if name.startswith(f"tests/{room}/")}
    listed = redundant(reached, room)
    sys.stdout.write("".join(f"{line}\n" for line in shortened(listed, tests)))
    sys.stderr.write(f"{len(listed)} of {len(tests)} tests reach nothing beyond tests/spec\n")


def measure(room: str, data: Path) -> None:
    """Write the coverage of each test to a file of coverage.py."""
    command = [sys.executable, "-m", "pytest", "-n", "2", "-q", "tests/spec", f"tests/{room}"]
    options = ["-m", "not live and not agents", "--cov", "--cov-context=test", "--cov-report="]
    subprocess.run(
        ["env", f"COVERAGE_FILE={data}", *command, *options],
        cwd=ROOT,
        stdout=sys.stderr,
        check=True,
    )


def read(data: Path) -> dict[str, set[Branch]]:
    """Return the branches that each test reaches; those of imports belong to none."""
    query = """
        select context, path, fromno, tono from arc
        join file on file.id = file_id join context on context.id = context_id
        where context != ''
    """
    reached = defaultdict[str, set[Branch]](set)
    with sqlite3.connect(data) as database:
        for context, path, start, end in database.execute(query):
            test = context.rpartition("|")[0]
            reached[test].add((str(Path(path).relative_to(ROOT)), start, end))
    return reached


def redundant(reached: Mapping[str, AbstractSet[Branch]], room: str) -> set[str]:
    """Return the tests of a room without which the same branches are reached."""
    by_spec = _union(found for test, found in reached.items() if test.startswith("tests/spec/"))
    listed = {
        test
        for test, found in reached.items()
        if test.startswith(f"tests/{room}/")
        and not any(branch[0].startswith(f"attractor/{room}/") for branch in found - by_spec)
    }
    remaining = _union(found for test, found in reached.items() if test not in listed)
    return {test for test in listed if reached[test] <= remaining}


def shortened(listed: AbstractSet[str], tests: Iterable[str]) -> list[str]:
    """Name a function once if all its cases are listed."""
    cases = defaultdict[str, set[str]](set)
    for test in tests:
        cases[test.partition("[")[0]].add(test)
    return sorted(
        line
        for function, names in cases.items()
        for line in ([function] if names <= listed else names & listed)
    )


def _union(sets: Iterable[AbstractSet[Branch]]) -> set[Branch]:
    return set[Branch]().union(*sets)


if __name__ == "__main__":
    if sys.argv[1:] == [] or sys.argv[1] not in known_areas():
        sys.exit(f"name a room: {', '.join(known_areas())}")
    main(sys.argv[1])
