"""Cheats are played against a suite: which does it believe, and what guards it?"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from attractor.factory.evaluation.known_trees import known_trees
from attractor.factory.open_project import OpenProject
from attractor.factory.registration.cheating import CheatResult, Cheats
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.sealed_suite import seal_suite
from tests.cli.running import attractor
from tests.factory.registration.test_register_suite import SUITE
from tests.pipeline.projects import git, make_project, open_project
from tests.scenarios.suites import write_files, write_suite
from tests.tables import table

SCENARIO = """
id = "works"
title = "It works"
story = "A number is found."
fixtures = {fixtures}

[[steps]]
name = "test"
run = "{run}"

[[checks]]
kind = "exit"
step = "test"
"""
PYTHON_TEST = """
import unittest
from calc import half

class HalfTest(unittest.TestCase):
    def test_half(self):
        self.assertEqual(half(3), 1.5)
        with self.assertRaises(TypeError):
            half("a")
"""
PYTHON = {"calc.py": "def half(n):\n    return n / 2\n"}
NODE_TEST = """
const test = require("node:test");
const assert = require("node:assert");
const { half } = require("./calc.js");
test("half", () => assert.strictEqual(half(3), 1.5));
"""
NODE = {"calc.js": "exports.half = (n) => n / 2;\n"}
SHELL = {"half.sh": "#!/bin/sh\necho 1\n"}
MAKE = {"Makefile": "test:\n\tsh half.sh\n", **SHELL}
SAYS = '[[checks]]\nkind = "stdout"\nstep = "test"\ncontains = "1"\n'
UNITTEST, NODE_RUN = "python3 -m unittest -q calc_test", "node --test calc.test.js"

OF_PYTHON = {"python-exits", "python-says-ok", "python-replaces-runner"}
OF_NODE = {"javascript-exits", "javascript-says-ok", "javascript-replaces-assert"}
CASES = [
    (PYTHON, PYTHON_TEST, UNITTEST, "", OF_PYTHON),
    (PYTHON, PYTHON_TEST, UNITTEST, 'wall = ["calc"]', set[str]()),
    (NODE, NODE_TEST, NODE_RUN, "", OF_NODE),
    (NODE, NODE_TEST, NODE_RUN, 'wall = ["./calc.js"]', set[str]()),
    (SHELL, "", "sh half.sh", "", {"shell-exits", "prints-expected"}),
    (SHELL, "", "sh half.sh", SAYS, {"prints-expected"}),
    (MAKE, "", "make test", "", {"shell-exits", "prints-expected", "targets-do-nothing"}),
]


def write(folder: Path, files: dict[str, str], test: str, run: str, more: str) -> OpenProject:
    """Write a project whose last commit solves nothing, and its suite."""
    project = make_project(folder / "project", **dict.fromkeys(files, ""))
    name = {UNITTEST: "calc_test.py", NODE_RUN: "calc.test.js"}.get(run, "")
    scenario = SCENARIO.format(fixtures=json.dumps([name] if name else []), run=run)
    head, steps, rest = scenario.partition("\n[[steps]]")
    text = f"{head}\n{more}{steps}{rest}" if more.startswith("wall") else f"{scenario}{more}"
    write_suite(folder / "suite", suite=SUITE, works=text)
    train = SCENARIO.replace('"works"', '"seen"').replace("number is", "sum is")
    seen = f"{train.format(fixtures='[]', run='true')}{SAYS}"
    write_files(folder / "suite" / "train", {"seen.scenario.toml": seen})
    write_files(folder / "suite" / "fixtures", {name: test} if name else {})
    write_files(project, files)
    write_files(folder / "suite" / "reference", {"works.patch": git(project, "diff", "HEAD")})
    git(project, "checkout", "--quiet", "--", ".")
    return OpenProject(open_project(project))


def played(opened: OpenProject, folder: Path) -> Sequence[CheatResult]:
    async def play() -> Sequence[CheatResult]:
        async with known_trees(RunScope.of(opened.project), sandbox="none") as trees:
            return await Cheats(seal_suite(folder, folder.with_name("store")), trees).play()

    return asyncio.run(play())


@table("files, test, run, more, fooled", CASES)
def test_suite_believes_cheats_until_it_is_guarded(
    tmp_path: Path, files: dict[str, str], test: str, run: str, more: str, fooled: set[str]
) -> None:
    opened = write(tmp_path, files, test, run, more)
    found = played(opened, tmp_path / "suite")
    assert {one.cheat for one in found if one.has_fooled} == fooled
    assert all(one.cheat in fooled or one.reason for one in found)
    assert len(found) >= 2
    remedies = {one.remedy.partition(":")[0] for one in found if one.has_fooled}
    guarded = run in (UNITTEST, NODE_RUN)
    assert not fooled or ("name the modules that its tests import" in remedies) == guarded


def test_command_names_the_cheat_the_check_and_the_remedy(tmp_path: Path) -> None:
    opened = write(tmp_path, PYTHON, PYTHON_TEST, UNITTEST, "")
    words = ("suite", "try", str(tmp_path / "suite"), "--cheats", "--sandbox", "none")
    state = {"ATTRACTOR_STATE_DIR": str(opened.project.machine.state_dir)}
    root = opened.project.root
    assert attractor(*words, folder=root, variables=state).returncode == 2
    done = attractor(*words, "--operator", folder=root, variables=state)
    assert done.returncode == 1
    line = (
        "python-exits: works believes a candidate that ends the process with 0 when it is imported "
        "(checks: exit): name the modules that its tests import: wall = [...]"
    )
    assert line in done.stdout
    assert done.stdout.rstrip().endswith("6 cheats played, 3 believed")
    for wrong in (("other",), ("--wrong",)):
        assert attractor(*words, "--operator", *wrong, folder=root, variables=state).returncode == 2
    hints = attractor("suite", "lint", str(tmp_path / "suite"), folder=root, variables=state)
    assert "can say that they passed" in hints.stdout + hints.stderr
