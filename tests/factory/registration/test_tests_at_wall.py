"""Unit tests that cannot pass behind a wall are named, left out, and counted."""

import asyncio
import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from attractor.base.callables import do_nothing
from attractor.cli.resources import version_line
from attractor.factory.evaluation.known_trees import known_trees
from attractor.factory.open_project import OpenProject
from attractor.factory.registration.register_suite import register_suite
from attractor.factory.registration.tests_at_wall import TestsAtWall, find_tests_at_wall
from attractor.factory.resources.versions import registration_notes
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.sealed_suite import seal_suite
from attractor.scenarios.suite_lint import SuiteRefused
from tests.cli.running import attractor
from tests.factory.registration.test_register_suite import SUITE
from tests.factory.registration.test_walls import HONEST, JAVASCRIPT, SCENARIO
from tests.needs import require
from tests.pipeline.projects import adjusted, git, make_project, open_project
from tests.scenarios.suites import write_files, write_suite

UNITTEST = """
import os, unittest
import calc

class HalfTest(unittest.TestCase):
    def test_half(self):
        self.assertEqual(calc.half(2), 1)
    def test_file(self):
        open("calc.py").close()
    def test_fork(self):
        if child := os.fork():
            self.assertEqual(os.waitpid(child, 0)[0], child)
        else:
            os._exit(calc.half(0) > 0)
    def test_wrong(self):
        self.assertEqual(calc.half(2), 7)
"""
PYTEST = """
import pytest, unittest
import calc

@pytest.mark.parametrize("number", [2, 4])
def test_half(number):
    assert calc.half(number) == number / 2

@pytest.mark.parametrize("name", ["calc.py", "calc_test.py"])
def test_file(name):
    open(name).close()

class OtherTest(unittest.TestCase):
    def test_file(self):
        open("calc.py").close()
"""

NODE_TEST = """
import { describe, it, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { half } from "./calc.mjs";

test("halves", () => assert.equal(half(2), 1));
describe("source", () => {
  it("halves", () => assert.equal(half(4), 2));
  it("is short [1.5]", () => assert.ok(readFileSync("calc.mjs").length < 99));
});
test("ends", async (t) => {
  await t.test("here", () => process.env.ATTRACTOR_WALL_MODULES && process.exit(1));
});
test("throws", () => assert.throws(() => half()));
"""


@pytest.fixture
def opened(tmp_path: Path) -> OpenProject:
    project = make_project(tmp_path / "project", **{"calc.py": ""})
    return OpenProject(adjusted(open_project(project), tell=do_nothing))


def write(opened: OpenProject, folder: Path, test: str, scenario: str, calc: str = HONEST) -> Path:
    write_suite(folder, suite=SUITE, halves=scenario)
    write_files(folder / "fixtures", {"calc_test.py": test})
    root = opened.project.root
    (root / "calc.py").write_text(calc)
    write_files(folder / "reference", {"halves.patch": git(root, "diff", "HEAD")})
    git(root, "checkout", "--quiet", "--", "calc.py")
    return folder


def without(*names: str) -> str:
    return SCENARIO.replace("wall = ", f"wall_without = {json.dumps(names)}\nwall = ")


def find(opened: OpenProject, folder: Path) -> TestsAtWall:
    async def found() -> TestsAtWall:
        sealed = seal_suite(folder, folder.with_name("store"))
        async with known_trees(RunScope.of(opened.project), sandbox="none") as trees:
            return await find_tests_at_wall(sealed, sealed.suite.scenarios[0], trees)

    return asyncio.run(found())


def test_tests_that_fail_behind_the_wall_only_are_named(
    opened: OpenProject, tmp_path: Path
) -> None:
    found = find(opened, write(opened, tmp_path / "suite", UNITTEST, SCENARIO))
    assert {*found.without} == {"test_file", "test_fork"}
    assert found.failed["test_file"].startswith("calc_test.py:9: FileNotFoundError: ")
    assert "a child of the tests' process used the candidate" in found.failed["test_fork"]
    # Without them, a wrong test is left.
    assert not found.is_satisfied


def test_tests_of_pytest_are_named_with_class_and_parameters(
    opened: OpenProject, tmp_path: Path
) -> None:
    scenario = SCENARIO.replace("unittest -q calc_test", "pytest -q calc_test.py")
    found = find(opened, write(opened, tmp_path / "suite", PYTEST, scenario))
    assert {*found.without} == {"calc_test.test_file[calc.py]", "OtherTest.test_file"}
    assert found.is_satisfied


def test_tests_of_node_are_named_and_left_out(opened: OpenProject, tmp_path: Path) -> None:
    require("node")
    root = opened.project.root
    write_files(root, {"calc.mjs": "export const half = (n) => n / 2;\n"})
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Halve")
    folder = write_suite(tmp_path / "suite", suite=SUITE, halves=f'baseline = "pass"\n{JAVASCRIPT}')
    write_files(folder / "fixtures", {"calc.test.mjs": NODE_TEST})
    found = find(opened, folder)
    assert {*found.without} == {"is short [1.5]", "here"}
    assert found.failed["is short [1.5]"].startswith("calc.test.mjs:10: Error: ENOENT: ")
    # Without them, a wrong test is left.
    assert not found.is_satisfied
    for names, reason in (
        (["is short [1.5]", "here", "throws"], ""),
        (["halves"], "write calc.test.mjs: halves or calc.test.mjs: source > halves"),
        (["short"], "no unit test has this name"),
    ):
        line = f"wall_without = {json.dumps(names)}"
        write_suite(folder, suite=SUITE, halves=f'{line}\nbaseline = "pass"\n{JAVASCRIPT}')
        with pytest.raises(SuiteRefused, match=reason) if reason else nullcontext():
            register(opened, folder)


def register(opened: OpenProject, folder: Path) -> None:
    asyncio.run(register_suite(folder, opened, sandbox="none", by="ann"))


def test_left_out_tests_are_counted_and_prove_nothing(opened: OpenProject, tmp_path: Path) -> None:
    names = ("test_file", "HalfTest.test_fork", "test_wrong")
    register(opened, write(opened, tmp_path / "suite", UNITTEST, without(*names)))
    [version] = opened.suites.versions.versions("todo")
    words = "3 unit tests are left out of the wall"
    assert words in version_line(version)
    assert [*registration_notes(version)] == [words]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["test_file", "test_fork", "test_other"], "no unit test has this name: remove it"),
        (["test_half", "test_file", "test_fork", "test_wrong"], "leaves out all unit tests"),
    ],
)
def test_names_that_leave_out_nothing_or_all_are_refused(
    opened: OpenProject, tmp_path: Path, names: list[str], reason: str
) -> None:
    test = UNITTEST.replace("calc.half(2), 7", "calc.half(2), 1")
    with pytest.raises(SuiteRefused, match=reason):
        register(opened, write(opened, tmp_path / "suite", test, without(*names)))


def test_name_of_several_tests_is_refused(opened: OpenProject, tmp_path: Path) -> None:
    scenario = without("test_file").replace("unittest -q calc_test", "pytest -q calc_test.py")
    words = "write calc_test.test_file or calc_test.OtherTest.test_file"
    with pytest.raises(SuiteRefused, match=words):
        register(opened, write(opened, tmp_path / "suite", PYTEST, scenario))


def test_command_names_the_tests_and_the_line_to_write(opened: OpenProject, tmp_path: Path) -> None:
    test = UNITTEST.replace("calc.half(2), 7", "calc.half(2), 1")
    folder = write(opened, tmp_path / "suite", test, without("test_fork"))
    state = {"ATTRACTOR_STATE_DIR": str(opened.project.machine.state_dir)}
    words = ("suite", "try", str(folder), "--operator", "--sandbox", "none")
    done = attractor(*words, folder=opened.project.root, variables=state)
    assert done.returncode == 1
    assert "1 unit test is left out of the wall" in done.stdout
    assert 'To leave them out: wall_without = ["test_fork", "test_file"]' in done.stdout
    warning = "but only if these files are correct"
    assert warning not in done.stdout
    shutil.rmtree(tmp_path / "suite" / "reference")
    (opened.project.root / "calc.py").write_text(HONEST)
    again = attractor(*words, folder=opened.project.root, variables=state)
    assert warning in again.stdout


def test_command_plays_files_to_which_the_reference_does_not_apply(
    opened: OpenProject, tmp_path: Path
) -> None:
    folder = write(opened, tmp_path / "suite", UNITTEST, SCENARIO)
    (opened.project.root / "calc.py").write_text("import os\n\nos._exit(0)\n")
    state = {"ATTRACTOR_STATE_DIR": str(opened.project.machine.state_dir)}
    words = ("suite", "try", str(folder), "--operator", "--sandbox", "none")
    done = attractor(*words, folder=opened.project.root, variables=state)
    assert done.returncode == 1
    assert "halves (holdout): NOT satisfied" in done.stdout
