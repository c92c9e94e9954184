"""Runs mutmut and judges its results: `make mutants`, or `make mutants AREA=engine/routing`.

An area is a room, a folder or a module of it. A sample of its mutants is run, the same ones each
time, with the tests of the room: a change of tests is judged by the survivors before and after it.

The score is the share of mutants that the tests kill, among those that pass the type checker. A
survivor that survivors.toml does not list with a reason is an error.
"""

import ast
import difflib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.areas import known_areas, tests_of

LEAST_KILLED = 0.85
MUTANTS = Path("mutants")
LISTED = Path(__file__).with_name("survivors.toml")
WILDCARD = "***"

# Mutants of an area that are run.
SAMPLE = 300

# Exit codes in the records of mutmut. All others mean that a test failed or did not end.
SURVIVED, NO_TESTS, SKIPPED, ILL_TYPED, NOT_RUN = 0, 33, 34, 37, None


def main(area: str) -> int:
    """Remove old results first: mutmut keeps them even if a test changed."""
    shutil.rmtree(MUTANTS, ignore_errors=True)
    subprocess.run(_command(area) if area else ["mutmut", "run"], check=True)
    return judge(MUTANTS, tomllib.loads(LISTED.read_text()), is_whole=not area)


def _command(area: str) -> list[str]:
    room = area.partition("/")[0]
    if room not in known_areas():
        sys.exit(f"unknown room {room!r}; known rooms: {', '.join(known_areas())}")
    pattern = f"attractor/{area}" if area.endswith(".py") else f"attractor/{area}/*.py"
    asked = {"patterns": [pattern], "tests": tests_of(room), "most": SAMPLE}
    return [sys.executable, str(Path(__file__).with_name("run.py")), json.dumps(asked)]


def judge(mutants: Path, listed: Mapping[str, list[str]], *, is_whole: bool = True) -> int:
    """Print a line for each module and all survivors without a reason."""
    total, survivors = Counter[str](), list[str]()
    for record in sorted(mutants.rglob("*.py.meta")):
        codes: dict[str, int | None] = json.loads(record.read_text())["exit_code_by_key"]
        counts = Counter(_result(code) for code in codes.values() if code != SKIPPED)
        if not counts:
            continue
        module = record.relative_to(mutants / "attractor").with_suffix("")
        print(f"{module!s:<36} {_line(counts)}")
        total += counts
        alive = {name for name, code in codes.items() if _result(code) == "survived"}
        survivors += _describe(record.with_suffix(""), str(module), alive)
    patterns = [_pattern(one) for group in listed.values() for one in group]
    print(f"{'all':<36} {_line(total)}")
    unlisted = [one for one in survivors if not any(pattern.fullmatch(one) for pattern in patterns)]
    for one in unlisted:
        print(f"survivor without a reason: {one}")
    for pattern in patterns if is_whole else ():
        if not any(map(pattern.fullmatch, survivors)):
            print(f"no longer needed in {LISTED.name}: {pattern.pattern}")
    return int(bool(unlisted) or total["not run"] > 0 or _killed(total) < LEAST_KILLED)


def _result(code: int | None) -> str:
    known = {SURVIVED: "survived", NO_TESTS: "survived", ILL_TYPED: "ill-typed", NOT_RUN: "not run"}
    return known.get(code, "killed")


def _killed(counts: Counter[str]) -> float:
    return counts["killed"] / max(1, counts["killed"] + counts["survived"])


def _line(counts: Counter[str]) -> str:
    return f"{_killed(counts):6.1%} killed  {dict(sorted(counts.items()))}"


def _describe(file: Path, module: str, mutants: set[str]) -> Iterator[str]:
    """Yield module, function and changed code of mutants."""
    text = file.read_text()
    sources: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name:
            function, number = node.name.split("__mutmut_")
            lines = text.splitlines()[node.lineno : node.end_lineno]
            sources[function][number] = lines
    for name in sorted(mutants):
        function, number = name.rpartition(".")[2].split("__mutmut_")
        original = sources[function]["orig"]
        changes = [
            line for line in difflib.ndiff(original, sources[function][number]) if line[0] in "+-"
        ]
        added = " ".join(line[2:].strip() for line in changes if line[0] == "+")
        removed = " ".join(line[2:].strip() for line in changes if line[0] == "-")
        readable = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        change = added if re.search(r"\w", added) else f"without {removed}"
        yield f"{module}: {readable}: {change}"


def _pattern(listed: str) -> re.Pattern[str]:
    """Compile an entry of the list; *** matches any text."""
    return re.compile(".*".join(map(re.escape, listed.split(WILDCARD))))


if __name__ == "__main__":
    sys.exit(main("".join(sys.argv[1:])))
