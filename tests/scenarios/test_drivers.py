"""Drivers of the guide call functions of a candidate, in each language."""

import re
from pathlib import Path

import pytest

from tests.examples import HOW_TO, fences
from tests.needs import require
from tests.scenarios.suites import write_files
from tests.scenarios.test_play import play, scenario

PAGE = HOW_TO / "drive-cases.md"
FENCES = {one.title: one.text for one in fences(page=PAGE) if one.title}
ROWS = re.findall(r"(?m)^\| (\w+) \| `(.+?)` \| `(.+?)` \| `(.+?)` \|$", PAGE.read_text())
CANDIDATES = {
    "Go": (
        "go",
        {
            "go.mod": "module example.com/calc\n\ngo 1.18\n",
            "calc.go": "package calc\n\nfunc Add(a, b int) int { return a + b }\n"
            'func Greet(name string) string { return "Hello, " + name }\n',
        },
    ),
    "Rust": (
        "rustc",
        {
            "calc.rs": "pub fn add(a: i64, b: i64) -> i64 { a + b }\n"
            'pub fn greet(name: &str) -> String { format!("Hello, {name}") }\n'
        },
    ),
    "Java": (
        "javac",
        {
            "Calc.java": "class Calc { static long add(long a, long b) { return a + b; }\n"
            'static String greet(String name) { return "Hello, " + name; } }\n'
        },
    ),
    "C": (
        "cc",
        {
            "calc.c": "#include <stdio.h>\nlong add(long a, long b) { return a + b; }\n"
            "const char *greet(const char *name) { static char text[2000];\n"
            'sprintf(text, "Hello, %s", name); return text; }\n'
        },
    ),
}


@pytest.mark.parametrize(("language", "fixture", "setup", "run"), ROWS)
def test_driver_of_the_guide_calls_a_candidate(
    tmp_path: Path, language: str, fixture: str, setup: str, run: str
) -> None:
    program, files = CANDIDATES[language]
    require(program)
    suite = write_files(
        tmp_path / "suite",
        {f"fixtures/{fixture}": FENCES[fixture], "checks/calc.jsonl": FENCES["checks/calc.jsonl"]},
    )
    check = {"kind": "cases", "cases": "calc.jsonl", "run": run}
    # A sandbox has a home, in which Go keeps what it compiled.
    setup = f"export HOME=$PWD; {setup}" if language == "Go" else setup
    one = scenario([], [check], fixtures=[fixture], setup={"run": [setup]})
    for place, sign, expected in (("right", "+", "3 of 3 "), ("wrong", "-", "1 of 3 ")):
        texts = {path: text.replace("a + b", f"a {sign} b") for path, text in files.items()}
        tree = write_files(tmp_path / place, texts)
        [result] = play(tree, one, suite=suite).checks
        assert result.reason.startswith(expected), result.reason
    missing = '{"call": "missing", "args": [1], "equals": 1}\n'
    write_files(suite, {"checks/calc.jsonl": missing})
    [result] = play(tmp_path / "right", one, suite=suite).checks
    assert "line 1 raised " in result.reason


def test_every_language_of_the_guide_is_tried() -> None:
    assert [language for language, *_ in ROWS] == [*CANDIDATES]
