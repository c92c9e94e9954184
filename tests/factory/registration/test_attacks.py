"""Each cheat against each kind of check in each sandbox: none is believed; and known exploits."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from attractor.factory.evaluation.known_trees import known_trees
from attractor.factory.open_project import OpenProject
from attractor.factory.registration.cheat import all_cheats
from attractor.factory.registration.cheating import CheatResult, Cheats
from attractor.factory.registration.first_suite import Example, write_first_suite
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.check import check_registry
from attractor.scenarios.suite_lint import SuiteRefused
from tests.counts import count
from tests.factory.registration.test_register_suite import register
from tests.needs import needs_kind, require
from tests.pipeline.projects import git, make_project, open_project
from tests.ports import free_port
from tests.scenarios.suites import TWIN, WITH_TWIN, write_files, write_suite

CALC = """import json, os, sys, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

def half(n):
    return n / 2

class Served(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"half": half(7)}).encode())

if __name__ == "__main__":
    if sys.argv[1] == "serve":
        HTTPServer(("", int(sys.argv[2])), Served).serve_forever()
    n = float(sys.argv[1])
    if n < 0:
        sys.exit(print("negative", file=sys.stderr) or 3)
    print(half(n))
    with open("out.json", "w") as file:
        json.dump({"half": half(n)}, file)
    if address := os.environ.get("TODO_API_URL"):
        body = json.dumps({"title": str(half(n))}).encode()
        heads = {"content-type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{address}/tasks", body, heads))
"""
TEST = """import unittest
from calc import half

class HalfTest(unittest.TestCase):
    def test_half(self):
        self.assertEqual(half(3), 1.5)
"""
GRADED = "from calc import half\n\nopen('reward.txt', 'w').write(str(int(half(3) == 1.5)))\n"
PYTEST = "from calc import half\n\ndef test_half():\n    assert half(3) == 1.5\n"
VERIFIER = """#!/usr/bin/env python3
import json, os, pathlib, sys
sys.exit(json.loads(pathlib.Path(os.environ["CANDIDATE"], "out.json").read_text()) != {"half": 3.5})
"""
PROBE = """#!/usr/bin/env python3
import json, os, sys, urllib.request
said = json.load(urllib.request.urlopen(os.environ["BASE_URL"], timeout=5))
sys.exit(said != {"half": 3.5})
"""
CASE = '{"call": "half", "args": [7], "equals": 3.5}\n'
PORT = free_port()
STEP = '[[steps]]\nname = "go"\nrun = "{}"\n'
GO = STEP.format("python3 calc.py 7")
SERVED = f"""[[steps]]
name = "serve"
service = "python3 calc.py serve {PORT}"
port = {PORT}
ready = "5s"
[[steps]]
name = "ask"
port = {PORT}
"""
SAYS = '[[checks]]\nkind = "stdout"\nstep = "go"\nequals = "3.5\\n"\n'
TRAIN = """step = "go"
equals = "1.5\\n"

[[checks]]
kind = "file"
path = "out.json"
equals = '{"half": 1.5}'
"""
KINDS: Mapping[str, tuple[str, str]] = {
    "exit": (STEP.format("python3 calc.py -1"), 'step = "go"\nequals = 3'),
    "exit-behind-a-wall": (STEP.format("python3 -m unittest -q calc_test"), 'step = "go"'),
    "stdout": (GO, 'step = "go"\nequals = "3.5\\n"'),
    "stderr": (STEP.format("python3 calc.py -1"), 'step = "go"\nequals = "negative\\n"'),
    "file": (GO, 'path = "out.json"\nequals = \'{"half": 3.5}\''),
    "json": (GO, 'file = "out.json"\npath = "$.half"\nequals = 3.5'),
    "http": (SERVED, 'step = "ask"\ncontains = "3.5"'),
    "command": (GO, 'program = "is-half"'),
    "probe": (SERVED, 'program = "asks"'),
    "cases": (GO, 'cases = "half.jsonl"\nmodule = "calc"'),
    "twin": (GO, 'twin = "todo-api"\nmethod = "POST"\nbody = { "$.title" = "3.5" }\ncount = 1'),
    "tree": (GO, f'only = ["out.json"]\n{SAYS}'),
    "budget": (GO, f"seconds = 30\n{SAYS}"),
}
EMPTY = {
    "browser": "Chromium is slow; tests/scenarios/test_browser.py",
    **dict.fromkeys(("identity", "migration", "divergence"), "of grown apps; tests/growth"),
    "latency": "a time, which is soft; tests/scenarios/test_latency.py",
    "rubric": "an opinion: a holdout needs another check beside it, and register judges none",
}


def write(folder: Path, holdouts: Mapping[str, str], files: Mapping[str, str]) -> OpenProject:
    project = make_project(folder / "project", **{"calc.py": ""})
    write_suite(folder / "suite", suite=WITH_TWIN, **holdouts)
    write_files(folder / "_twins", {"todo-api/twin.toml": TWIN})
    write_files(folder / "suite", files)
    write_files(project, {"calc.py": CALC})
    patch = git(project, "diff", "HEAD")
    git(project, "checkout", "--quiet", "--", ".")
    write_files(folder / "suite" / "reference", {f"{one}.patch": patch for one in holdouts})
    return OpenProject(open_project(project))


def scenario(name: str, steps: str, check: str, more: str = "") -> str:
    kind = name.partition("-")[0]
    return (
        f'id = "{name}"\ntitle = "It halves"\nstory = "Ann halves by {name}."\n{more}\n{steps}\n'
        f'[[checks]]\nkind = "{kind}"\n{check}\n'
    )


@needs_kind
@pytest.mark.parametrize("sandbox", count(ci=["landlock"], full=["bubblewrap", "landlock"]))
def test_no_cheat_is_believed_by_a_check_of_any_kind(tmp_path: Path, sandbox: str) -> None:
    assert {one.partition("-")[0] for one in KINDS} | {*EMPTY} == {*check_registry()}
    wall = 'fixtures = ["calc_test.py"]\nwall = ["calc"]'
    holdouts = {
        name: scenario(name, *parts, more=wall if "wall" in name else "")
        for name, parts in KINDS.items()
    }
    files = {
        "fixtures/calc_test.py": TEST,
        "checks/is-half": VERIFIER,
        "checks/asks": PROBE,
        "checks/half.jsonl": CASE,
    }
    opened = write(tmp_path, holdouts, files)
    train = scenario("stdout-of-three", STEP.format("python3 calc.py 3"), TRAIN)
    write_files(tmp_path / "suite" / "train", {"three.scenario.toml": train})
    registered = register(opened.project, tmp_path / "suite", sandbox)
    counts = registered.version.data["cheats"]
    assert isinstance(counts, dict)
    assert counts["tried"] == counts["noticed"] != 0

    async def play() -> Sequence[CheatResult]:
        scope = RunScope.of(opened.project)
        async with known_trees(scope, sandbox=sandbox) as trees:
            sealed = opened.suites.open(registered.version)
            found = [await Cheats(sealed, trees).play([name]) for name in KINDS]
            return [one for played in found for one in played.results]

    found = asyncio.run(play())
    cheats = [*dict.fromkeys(one.cheat for one in found)]
    lines = [
        f"{len(cheats)} cheats x {len(KINDS)} checks in {sandbox}: {', '.join(KINDS)}",
        *(f"not played: {name}: {why}" for name, why in EMPTY.items()),
        *(f"{one.cheat}: {one.scenario}: {one.reason or 'BELIEVED'}" for one in found),
    ]
    sys.stdout.write("\n".join([*lines, ""]))
    assert not [str(one) for one in found if one.has_fooled]
    assert len(cheats) >= 8
    assert {one.scenario for one in found} == {*KINDS}


EXPLOITS = {
    "python-replaces-runner": ("python3 -m pytest -q calc_test.py", PYTEST, ""),
    "writes-reports": (
        "python3 calc_test.py",
        GRADED,
        '[[checks]]\nkind = "file"\npath = "reward.txt"\ncontains = "1"\n',
    ),
}
"""A planted `conftest.py`, and a reward file that the candidate writes."""


@pytest.mark.parametrize("cheat", EXPLOITS)
def test_known_exploit_is_refused_at_registration_until_the_suite_is_guarded(
    tmp_path: Path, cheat: str
) -> None:
    run, test, more = EXPLOITS[cheat]
    fixture = 'fixtures = ["calc_test.py"]'
    naive = scenario("exit", STEP.format(run), f'step = "go"\n{more}', fixture)
    files = {"fixtures/calc_test.py": test, "checks/half.jsonl": CASE}
    opened = write(tmp_path, {"exit": naive}, files)
    with pytest.raises(SuiteRefused) as refused:
        register(opened.project, tmp_path / "suite")
    assert {one.rule for one in refused.value.faults} == {"fooled"}
    [words] = [str(one) for one in refused.value.faults if f" {cheat}: exit believes" in str(one)]
    assert ("wall = [...]" in words, "by cases" in words) == (not more, bool(more))

    guarded = {
        "wall": naive.replace(fixture, f'{fixture}\nwall = ["calc"]'),
        "cases": scenario("cases", GO, KINDS["cases"][1], fixture).replace("cases", "exit", 1),
    }
    for name in ("wall", "cases") if not more else ("cases",):
        write_suite(tmp_path / "suite", suite=WITH_TWIN, exit=guarded[name])
        version = register(opened.project, tmp_path / "suite").version
        counts = version.data["cheats"]
        assert isinstance(counts, dict)
        assert counts["tried"] == counts["noticed"] != 0


def test_program_of_the_suite_is_tried_also_beside_a_holdout_with_fewer_checks(
    tmp_path: Path,
) -> None:
    graded = f"{PYTEST}\n\ntest_half()\nprint('OK')\n"
    starts = scenario(
        "exit",
        STEP.format("python3 checked.py"),
        'step = "go"\n[[checks]]\nkind = "stdout"\nstep = "go"\ncontains = "OK"\n',
        'fixtures = ["checked.py"]',
    )
    holdouts = {"stdout": scenario("stdout", *KINDS["stdout"]), "exit": starts}
    opened = write(tmp_path, holdouts, {"fixtures/checked.py": graded})
    with pytest.raises(SuiteRefused, match="fooled: python-agrees: exit believes"):
        register(opened.project, tmp_path / "suite")


SHELL = '#!/bin/sh\n[ "$1" = 7 ] && echo 3.5 || echo 4.5\n'
C = """#include <stdio.h>
#include <stdlib.h>
double half(double n) { return n / 2; }
int main(int count, char **words) { printf("%g\\n", half(atof(words[1]))); }
"""
JAVA = """class Calc {
    static double half(double n) { return n / 2; }
    public static void main(String[] words) {
        System.out.println(half(Double.parseDouble(words[0])));
    }
}
"""
RUST = """fn half(n: f64) -> f64 { n / 2.0 }
fn main() { println!("{}", half(std::env::args().nth(1).unwrap().parse().unwrap())); }
"""
GO_CODE = """package main

import ("fmt"; "os"; "strconv")

func main() { n, _ := strconv.ParseFloat(os.Args[1], 64); fmt.Println(n / 2) }
"""
FIRST: Mapping[str, tuple[str, str, str, str, str]] = {
    "python": (
        "",
        "calc.py",
        "import sys\n\nprint(float(sys.argv[1]) / 2)\n",
        "",
        "python3 calc.py",
    ),
    "javascript": ("node", "calc.js", "console.log(process.argv[2] / 2);\n", "", "node calc.js"),
    "shell": ("", "half.sh", SHELL, "", "sh half.sh"),
    "c": ("gcc", "calc.c", C, "gcc calc.c -o calc", "./calc"),
    "java": ("javac", "Calc.java", JAVA, "javac Calc.java", "java Calc"),
    "rust": ("rustc", "calc.rs", RUST, "rustc calc.rs -o calc", "./calc"),
    "go": ("go", "calc.go", GO_CODE, "go build -o calc calc.go", "./calc"),
}


@pytest.mark.parametrize("language", FIRST)
def test_first_suite_of_examples_is_tried_against_the_cheats_of_its_language(
    tmp_path: Path, language: str
) -> None:
    program, file, text, build, run = FIRST[language]
    assert not program or require(program)
    before = text.replace("2", "8").replace(".5", "")
    opened = open_project(make_project(tmp_path / "project", **{file: before}))
    suite = tmp_path / "suite"
    examples = [Example(f"{run} 7", "3.5"), Example(f"{run} 9", "4.5")]
    write_first_suite(suite, "linear", opened, examples, [build] if build else [])
    counts = register(opened, suite).version.data["cheats"]
    assert isinstance(counts, dict)
    own = {f"{language}-exits", f"{language}-says-ok"} & {*all_cheats()}
    assert own
    assert counts["tried"] == counts["noticed"]
    assert len(own) <= int(str(counts["tried"]))
