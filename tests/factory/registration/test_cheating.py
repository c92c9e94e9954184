"""Cheats are played against a suite: which does it believe, and what guards it?"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.factory.evaluation.known_trees import known_trees
from attractor.factory.open_project import OpenProject
from attractor.factory.registration.cheating import CheatResult, Cheats
from attractor.factory.resources.suites import Proof, suite_record
from attractor.factory.resources.versions import cheat_words
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.sealed_suite import seal_suite
from attractor.scenarios.suite_lint import SuiteRefused
from tests.cli.running import attractor
from tests.factory.registration.test_register_suite import SUITE, register
from tests.pipeline.projects import adjusted, git, make_project, open_project
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
            return (
                await Cheats(seal_suite(folder, folder.with_name("store")), trees).play()
            ).results

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


def test_registration_refuses_a_suite_that_believes_a_cheat_unless_it_accepts_it(
    tmp_path: Path,
) -> None:
    opened = write(tmp_path, PYTHON, PYTHON_TEST, UNITTEST, "")
    folder = tmp_path / "suite"
    with pytest.raises(SuiteRefused) as refused:
        register(opened.project, folder)
    assert {(one.rule, one.scenario) for one in refused.value.faults} == {("fooled", "works")}
    assert {str(one).split(": ")[1] for one in refused.value.faults} == OF_PYTHON
    assert "name the modules that its tests import: wall = [...]" in str(refused.value)
    assert '[[accept]] cheat = "python-exits"' in str(refused.value)
    assert not opened.suites.versions.names()

    (folder / "suite.toml").write_text(SUITE + accepted("python-exit"))
    with pytest.raises(SuiteRefused, match=r"did you mean python-exits\?"):
        register(opened.project, folder)
    (folder / "suite.toml").write_text(SUITE + accepted(*OF_PYTHON, "python-raises"))
    messages: list[str] = []
    found = register(adjusted(opened.project, tell=messages.append), folder)
    assert found.version.data["cheats"] == {
        "tried": 6,
        "noticed": 3,
        "accepted": dict.fromkeys(sorted(OF_PYTHON), "it is small"),
    }
    unneeded = "the suite accepts the cheat python-raises, and no holdout believes it"
    assert f"warning: {unneeded}" in messages
    assert "accept" not in json.dumps(
        suite_record(found.version, opened.suites.open(found.version).suite, to_operator=False)[
            "settings"
        ]
    )
    assert cheat_words(found.version).startswith(
        "3 of 6 cheats noticed, accepted: python-exits (it"
    )


def accepted(*cheats: str) -> str:
    return "".join(
        f'\n[[accept]]\ncheat = "{one}"\nwhy = "it is small"\n' for one in sorted(cheats)
    )


def test_suite_of_an_earlier_version_is_tried_when_it_is_registered_again(tmp_path: Path) -> None:
    opened = write(tmp_path, PYTHON, PYTHON_TEST, UNITTEST, 'wall = ["calc"]')
    folder, now = tmp_path / "suite", opened.now()
    head = git(opened.project.root, "rev-parse", "HEAD").strip()
    proof = Proof(proved_on=head)
    opened.suites.add(opened.suites.seal(folder), folder, by="ann", now=now, proof=proof)
    state = {"ATTRACTOR_STATE_DIR": str(opened.project.machine.state_dir)}
    root = opened.project.root
    listed = attractor("suite", "list", folder=root, variables=state).stdout
    assert "not tried against cheats: attractor suite register FOLDER" in listed
    assert not register(opened.project, folder).is_new
    listed = attractor("suite", "list", folder=root, variables=state).stdout
    assert listed.count("6 of 6 cheats noticed") == 1


def test_suite_that_is_fooled_later_stays_and_is_marked_as_unproved(tmp_path: Path) -> None:
    opened = write(tmp_path, PYTHON, PYTHON_TEST, UNITTEST, "")
    folder, proof = (
        tmp_path / "suite",
        Proof(proved_on=git(tmp_path / "project", "rev-parse", "HEAD").strip()),
    )
    opened.suites.add(opened.suites.seal(folder), folder, by="ann", now=opened.now(), proof=proof)
    with pytest.raises(SuiteRefused, match="fooled"):
        register(opened.project, folder)
    assert opened.suites.versions.find("todo").data["unproved"] == "fooled"
