"""Objects of classes that no reference gave cross no wall of a registered suite."""

import asyncio
from pathlib import Path

import pytest

from attractor.environments.environment import Promises
from attractor.factory.evaluation.elsewhere import SentTrials
from attractor.factory.evaluation.known_trees import known_trees
from attractor.factory.open_project import OpenProject
from attractor.factory.registration.register_suite import register_suite
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.evaluation import TrialResult
from attractor.scenarios.suite_lint import SuiteRefused
from attractor.scenarios.wall.crossing import CrossedInTest, read_crossing, write_crossing
from tests.environments.places import skipping_without_sandbox
from tests.factory.registration.test_register_suite import SUITE
from tests.needs import require
from tests.pipeline.projects import adjusted, git, make_project, open_project
from tests.scenarios.suites import write_files, write_suite

SCENARIO = """
id = "halves"
title = "Numbers are halved"
story = "Half of a number is found."
fixtures = ["calc_test.py"]
wall = ["calc"]

[[steps]]
name = "test"
run = "python3 -m unittest -q calc_test"

[[checks]]
kind = "exit"
step = "test"
"""
TEST = """
import unittest
from calc import half

class HalfTest(unittest.TestCase):
    def test_half(self):
        self.assertAlmostEqual(half(3), 1.5)
        self.assertTrue(half(1) < 1)
"""
HONEST = "def half(n):\n    return n / 2\n"
CACHED = f"from functools import lru_cache\n@lru_cache\n{HONEST}"
AGREES = """
class Any:
    def __sub__(self, other): return 0
    def __lt__(self, other): return True

def half(n):
    return Any()
"""


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def opened(tmp_path: Path, told: list[str]) -> OpenProject:
    project = make_project(tmp_path / "project", **{"calc.py": "", "calc.mjs": ""})
    return OpenProject(adjusted(open_project(project), tell=told.append))


def write(
    opened: OpenProject,
    folder: Path,
    reference: str = "",
    test: str = TEST,
    *,
    scenario: str = SCENARIO,
) -> Path:
    is_python = scenario == SCENARIO
    calc = "calc.py" if is_python else "calc.mjs"
    write_suite(folder, suite=SUITE, halves=scenario)
    write_files(folder / "fixtures", {"calc_test.py" if is_python else "calc.test.mjs": test})
    if reference:
        root = opened.project.root
        (root / calc).write_text(reference)
        write_files(folder / "reference", {"halves.patch": git(root, "diff", "HEAD")})
        git(root, "checkout", "--quiet", "--", calc)
    return folder


def play(opened: OpenProject, calc: str, sandbox: str, name: str = "calc.py") -> TrialResult:
    """Play a trial of the registered suite on a tree with this module."""

    async def change(folder: Path) -> None:
        (folder / name).write_text(calc)

    async def played() -> TrialResult:
        [version] = opened.suites.versions.versions("todo")
        sealed = opened.suites.open(version)
        async with known_trees(RunScope.of(opened.project), sandbox=sandbox) as trees:
            done = await trees.play(sealed, sealed.suite.scenarios, "", n=1, change=change)
            [result] = done.results
            return result

    return asyncio.run(played())


def test_suite_without_a_reference_is_refused(opened: OpenProject, tmp_path: Path) -> None:
    folder = write(opened, tmp_path / "suite")
    with pytest.raises(SuiteRefused) as caught:
        asyncio.run(register_suite(folder, opened, sandbox="none", by="ann"))
    [fault] = caught.value.faults
    assert (fault.rule, fault.scenario) == ("wall_reference", "halves")


@pytest.mark.parametrize("sandbox", ["none", "landlock", "bubblewrap"])
def test_only_objects_of_classes_that_the_reference_gave_may_cross(
    opened: OpenProject, tmp_path: Path, sandbox: str
) -> None:
    folder = write(opened, tmp_path / "suite", HONEST)
    with skipping_without_sandbox():
        asyncio.run(register_suite(folder, opened, sandbox=sandbox, by="ann"))
    assert play(opened, HONEST, sandbox).satisfied
    assert play(opened, CACHED, sandbox).satisfied
    cheat = play(opened, AGREES, sandbox)
    assert not cheat.satisfied
    assert "an object of calc.Any, which no reference gave here" in cheat.checks[-1].reason


JAVASCRIPT = (
    SCENARIO.replace("calc_test.py", "calc.test.mjs")
    .replace('"calc"', '"./calc.mjs"')
    .replace("python3 -m unittest -q calc_test", "node --test calc.test.mjs")
)
JAVASCRIPT_TEST = """
import test from "node:test";
import assert from "node:assert/strict";
import { half } from "./calc.mjs";
test("halves", () => { assert.equal(half(3), 1.5); assert.ok(half(1) < 1); });
"""
READS = """
import { existsSync, readdirSync } from "node:fs";
let seen = [];
try { seen = readdirSync("..").filter((one) => existsSync(`../${one}/calc.test.mjs`)); } catch {}
export const half = (n) => (seen.length ? 0 : n / 2);
"""


@pytest.mark.parametrize("sandbox", ["none", "landlock", "bubblewrap"])
def test_javascript_is_judged_behind_the_wall_of_a_registered_suite(
    opened: OpenProject, tmp_path: Path, sandbox: str
) -> None:
    require("node")
    honest = "export const half = (n) => n / 2;\n"
    folder = write(opened, tmp_path / "suite", honest, JAVASCRIPT_TEST, scenario=JAVASCRIPT)
    with skipping_without_sandbox():
        asyncio.run(register_suite(folder, opened, sandbox=sandbox, by="ann"))
    assert play(opened, honest, sandbox, "calc.mjs").satisfied
    agrees = "export const half = () => ({ valueOf: () => 0.5 });"
    cheat = play(opened, agrees, sandbox, "calc.mjs")
    assert not cheat.satisfied
    for exits in ("process.exit(0); export const half = 0;", "export const half = () => 1;"):
        assert not play(opened, exits, sandbox, "calc.mjs").satisfied
    # In a sandbox, the room sees no file of the suite.
    assert play(opened, READS, sandbox, "calc.mjs").satisfied == (sandbox != "none")


COINS = """
class Coin:
    def __init__(self, value): self.value = value
    def __eq__(self, other): return self.value == other.value
    def is_round(self): return True
"""
COIN_TEST = """
import unittest
from calc import Coin

class CoinTest(unittest.TestCase):
    def test_equal(self):
        self.assertEqual(Coin(1), Coin(1))
    def test_value(self):
        self.assertEqual(Coin(2), Coin(2))
        self.assertTrue(Coin(2).is_round())
"""


def test_test_of_which_the_candidate_is_the_judge_is_named(
    opened: OpenProject, tmp_path: Path, told: list[str]
) -> None:
    folder = write(opened, tmp_path / "suite", COINS, COIN_TEST)
    asyncio.run(register_suite(folder, opened, sandbox="none", by="ann"))
    [warning] = [one for one in told if "proves little" in one]
    assert warning.startswith("warning: halves: calc_test.py: CoinTest.test_equal proves little: ")


def test_what_may_cross_is_sent_with_trials_to_another_machine() -> None:
    crossing = {"halves": {"calc_test.py: HalfTest.test_half": CrossedInTest(("calc.Half",), True)}}
    sent = SentTrials(seal="", promises=Promises(), crossing=write_crossing(crossing))
    found = SentTrials.from_bytes(sent.to_bytes()).crossing
    assert isinstance(found, dict)
    assert read_crossing(found) == crossing
